// The keys of the labelling surface: what they do, the sheet that lists them, and the dialog that changes them.

const KEY_SIGNS = {' ': 'space', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓'}
const keySign = (key) => KEY_SIGNS[key] || key
const keyWords = (key) => (/^\p{Lu}$/u.test(key) ? `Shift ${key.toLowerCase()}` : keySign(key))
const MODIFIERS = new Set(['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'CapsLock', 'Dead'])

class Keys {
  // `runs` has a function for each command.
  constructor(surface, runs) {
    this.surface = surface
    this.model = surface.model
    this.runs = runs
    this.sheetRows = element('tbody')
    this.sheet = surface.dialog('Keys', element('div', {class: 'key-list', tabindex: '0'}, element('table', {}, this.sheetRows)),
      [element('button', {type: 'button', text: 'Change keys', onclick: () => this.openChange()})])
    this.changeRows = element('tbody')
    this.said = element('p', {class: 'key-said', role: 'status', 'data-testid': 'key-said'})
    this.change = surface.dialog('Change keys', element('div', {}, this.said,
      element('div', {class: 'key-list'}, element('table', {}, this.changeRows))),
    [element('button', {type: 'button', text: 'Defaults', title: 'Give all commands and classes their default keys',
      onclick: () => { this.surface.tell({type: 'reset_keys'}); this.waitFor(null) }})])
    this.change.addEventListener('keydown', (event) => this.take(event))
    this.change.addEventListener('close', () => this.waitFor(null))
  }

  keyOf(name) { return this.model.commands.find((command) => command.name === name)?.key || '' }

  // What a key does now: a function, or undefined.
  find(key) {
    const cls = this.model.classes.find((candidate) => candidate.key === key)
    if (cls) return () => this.surface.decide('label', cls.name)
    const command = key && this.model.commands.find((candidate) => candidate.key === key)
    return command ? this.runs[command.name] : undefined
  }

  onKey(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
    if (this.surface.root.querySelector('dialog[open]')) return
    const target = event.composedPath()[0]
    if (isTyping(target)) return
    const run = this.find(event.key)
    if (!run || (activates(target) && (event.key === ' ' || event.key === 'Enter'))) return
    if (event.key.startsWith('Arrow') && movesByArrows(target)) return
    event.preventDefault()
    if (!event.repeat) run()
  }

  paint() {
    const row = (key, what) => element('tr', {}, element('th', {scope: 'row'}, key ? element('kbd', {text: keyWords(key)}) : 'no key'),
      element('td', {text: what}))
    this.sheetRows.replaceChildren(
      ...this.model.classes.filter((cls) => cls.key).map((cls) => row(cls.key, cls.name)),
      ...this.model.commands.map((command) => row(command.key, command.what)), row('Esc', 'close a dialog'))
    this.changeRows.replaceChildren(
      ...this.model.commands.map((command) => this.changeRow('command', command.name, command.key, command.what)),
      ...this.model.classes.map((cls) => this.changeRow('class', cls.name, cls.key, cls.name)))
    if (this.waiting) this.waitFor(this.waiting, true)
  }

  // ---- changing them --------------------------------------------------------------------------

  openChange() {
    this.sheet.close()
    this.said.textContent = 'Choose a line, then press its new key. Esc ends.'
    this.change.showModal()
  }

  changeRow(kind, name, key, what) {
    const button = element('button', {type: 'button', 'data-kind': kind, 'data-name': name,
      'aria-label': `Key of ${what}: ${key ? keyWords(key) : 'none'}`, onclick: () => this.waitFor({kind, name, what})},
    element('kbd', {text: key ? keyWords(key) : 'none'}))
    return element('tr', {}, element('th', {scope: 'row'}, button), element('td', {text: kind === 'class' ? `class ${what}` : what}))
  }

  waitFor(waiting, quiet = false) {
    this.waiting = waiting
    for (const button of this.changeRows.querySelectorAll('button')) {
      const isIt = Boolean(waiting) && button.dataset.kind === waiting.kind && button.dataset.name === waiting.name
      button.classList.toggle('waiting', isIt)
      if (isIt) button.focus()
    }
    if (waiting && !quiet) this.said.textContent = `Press the new key of “${waiting.what}”.`
  }

  take(event) {
    if (!this.waiting || MODIFIERS.has(event.key) || event.key === 'Escape') return
    event.preventDefault()
    event.stopPropagation()
    const {kind, name} = this.waiting
    if (event.ctrlKey || event.metaKey || event.altKey) {
      this.said.textContent = 'Keys with Ctrl, Alt or ⌘ belong to the browser: press one without.'
      return
    }
    this.surface.tell({type: 'set_key', kind, name, key: event.key})
  }

  // What the server says of a change: empty when it is made.
  answered({problem}) {
    this.said.textContent = problem || 'Kept in this workspace. Choose another line, or close.'
    if (!problem) this.waitFor(null)
  }
}
