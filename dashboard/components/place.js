// One place of the layout: its views, and while views are arranged a bar that moves, closes and adds them.

const SIDES = [['left', 'to the left of'], ['right', 'to the right of'], ['above', 'above'], ['below', 'below']]

class Place {
  constructor(model) {
    this.model = model
    this.bar = element('div', {class: 'bar', role: 'toolbar', 'aria-label': `Views of this place: ${this.titles()}`})
    this.body = element('div', {class: 'body'}, model.get_child('body'))
    this.tabs = model.has_tabs ? new Tabs(model, this.body) : null
    this.root = element('div', {class: 'place'}, this.bar, this.tabs?.root, this.body)
    this.bar.append(
      ...model.views.map((view) => menuButton(`${view.title} ▾`, {'aria-label': `Move or close ${view.title}`},
        () => this.entries(view))),
      ...(model.addable.length ? [menuButton('+ Add view', {}, () => this.additions())] : []))
  }

  titles() { return this.model.views.map((view) => view.title).join(', ') }

  entries(view) {
    const isOnly = this.model.views.length === 1
    const tabs = view.alone ? [] : this.model.others.filter((other) => other.tabs)
    const move = (to, side) => this.model.send_msg({type: 'move', view: view.name, to, side})
    const own = this.model.views.find((other) => other !== view)
    return [
      ...(tabs.length ? [{heading: 'Move, as a tab, to'}] : []),
      ...tabs.map((other) => ({label: other.title, run: () => move(other.name, '')})),
      ...(isOnly ? [] : [{heading: 'Split off from this place'}]),
      ...(isOnly ? [] : SIDES.map(([side, words]) => ({label: `${words} the rest`, run: () => move(own.name, side)}))),
      ...(this.model.others.length ? [{heading: 'Move to a place of its own'}] : []),
      ...this.model.others.flatMap((other) => SIDES.map(([side, words]) => (
        {label: `${words} ${other.title}`, run: () => move(other.name, side)}))),
      ...(view.closable ? [{heading: 'Close'}, {label: `Close ${view.title}`, run: () => this.model.send_msg({type: 'close', view: view.name})}] : []),
    ]
  }

  additions() {
    return this.model.addable.map((view) => ({label: view.title,
      run: () => this.model.send_msg({type: 'add', view: view.name, to: this.model.views[0].name})}))
  }

  arrange(isOn) { this.root.classList.toggle('arranging', isOn) }
}

export function render({model}) {
  const place = new Place(model)
  const onArrange = (event) => place.arrange(event.detail.on)
  window.addEventListener('rareloop:arrange', onArrange)
  model.on('msg:custom', (message) => place.tabs?.opened(message.open))
  model.on('remove', () => {
    window.removeEventListener('rareloop:arrange', onArrange)
    place.tabs?.observer.disconnect()
  })
  place.arrange(document.documentElement.dataset.rareloopArrange === 'on')
  if (place.tabs) model.send_msg({type: 'hello'})
  return place.root
}
