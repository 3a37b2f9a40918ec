// The top bar's buttons for the layout: one menu, and the card alone at a click.

const FOCUS = 'rareloop:focus'
const REOPEN = 'rareloop:reopen'

const announce = (name, isOn) => {
  // Parts of the page that are made later read it from the root element.
  document.documentElement.dataset[name === FOCUS ? 'rareloopFocus' : 'rareloopArrange'] = isOn ? 'on' : 'off'
  window.dispatchEvent(new CustomEvent(name, {detail: {on: isOn}}))
}

class Arranger {
  constructor(model) {
    this.model = model
    this.state = {shown: false, current: '', shipped: [], yours: []}
    this.arranging = sessionStorage.getItem('rareloop:arrange') === 'on'
    this.focused = sessionStorage.getItem(FOCUS) === 'on'
    this.focus = element('button', {type: 'button', class: 'plain', 'data-testid': 'focus', text: 'Focus',
      title: 'Show nothing but the card', onclick: () => this.setFocus(!this.focused)})
    this.menu = menuButton('Layout ▾', {class: 'plain', 'data-testid': 'layout', title: 'Which views stand where'}, () => this.entries())
    this.done = element('button', {type: 'button', class: 'plain on', text: 'Done arranging', onclick: () => this.setArranging(false)})
    this.name = element('input', {type: 'text', maxlength: '60', 'aria-label': 'Name of the layout', required: true})
    this.dialog = this.saveDialog()
    this.root = element('div', {class: 'arranger'}, this.done, this.focus, this.menu, this.dialog)
    this.setFocus(this.focused)
    this.setArranging(this.arranging)
  }

  saveDialog() {
    const dialog = element('dialog', {'aria-label': 'Save this layout', onkeydown: (event) => event.stopPropagation()})
    const form = element('form', {method: 'dialog', onsubmit: () => this.model.send_msg({type: 'save', name: this.name.value.trim()})},
      element('h3', {text: 'Save this layout'}),
      element('label', {}, 'Name', this.name),
      element('div', {class: 'dialog-buttons'},
        element('button', {type: 'submit', class: 'primary', text: 'Save'}),
        element('button', {type: 'button', text: 'Cancel', onclick: () => dialog.close()})))
    dialog.append(form)
    return dialog
  }

  entries() {
    const {current, shipped, yours} = this.state
    const choice = (one) => ({label: one.name, title: one.description, checked: one.name === current,
      run: () => this.model.send_msg({type: 'choose', name: one.name})})
    return [
      {heading: 'Comes with rareloop'}, ...shipped.map(choice),
      ...(yours.length ? [{heading: 'Yours'}, ...yours.map(choice)] : []),
      {heading: 'This page'},
      {label: this.arranging ? 'Done arranging' : 'Arrange views…', run: () => this.setArranging(!this.arranging)},
      {label: 'Save as…', run: () => { this.name.value = yours.some((one) => one.name === current) ? current : ''; this.dialog.showModal() }},
      ...yours.map((one) => ({label: `Delete ${one.name}`, run: () => this.model.send_msg({type: 'delete', name: one.name})})),
    ]
  }

  setFocus(isOn) {
    this.focused = isOn
    sessionStorage.setItem(FOCUS, isOn ? 'on' : 'off')
    this.focus.setAttribute('aria-pressed', String(isOn))
    this.focus.classList.toggle('on', isOn)
    if (isOn && this.arranging) this.setArranging(false)
    announce(FOCUS, isOn && this.state.shown)
  }

  setArranging(isOn) {
    this.arranging = isOn
    sessionStorage.setItem('rareloop:arrange', isOn ? 'on' : 'off')
    this.done.hidden = !isOn
    if (isOn && this.focused) this.setFocus(false)
    announce('rareloop:arrange', isOn && this.state.shown)
  }

  receive(message) {
    if (message.type === 'reload') {
      loadAnew()
      return
    }
    this.state = message
    this.root.classList.toggle('unseen', !message.shown)
    announce(FOCUS, this.focused && message.shown)
    announce('rareloop:arrange', this.arranging && message.shown)
  }
}

// The same item is on the card afterwards, and answers that are not stored yet are sent then.
const loadAnew = () => {
  window.dispatchEvent(new CustomEvent('rareloop:leave'))
  location.reload()
}

export function render({model, view}) {
  const arranger = new Arranger(model)
  arranger.root.classList.add('unseen')
  model.on('msg:custom', (message) => arranger.receive(message))
  const before = JSON.parse(sessionStorage.getItem(REOPEN) || '{}')
  sessionStorage.removeItem(REOPEN)
  model.send_msg({...before, type: 'hello'})
  whenBack(view.model.document, loadAnew)
  return arranger.root
}
