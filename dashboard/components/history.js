// The history: a list of answers, filters, and a bar in which the answer of the chosen line is changed.

const PAGE_LENGTH = 50
const RELOAD_AFTER = 300 // ms in which changes are collected
const SHOWN = [['all', 'everything'], ['force', 'answers in force'], ['deferred', 'deferred items'],
  ['changed', 'changed my mind'], ['notes', 'notes']]
const OTHER = [['skip', 'skip'], ['defer', 'defer'], ['unsure', 'unsure'], ['flag', 'flag']]
const STEPS = [['note', 'note'], ['undo', 'undo'], ['redo', 'redo']]
const HEADS = ['item', 'answer', 'now', 'when (UTC)', 'by', 'asked by', 'seconds', 'note']

class History {
  constructor(model) {
    this.model = model
    this.lines = []
    this.total = this.offset = this.asked = 0
    this.classes = []
    this.chosen = null // event_id
    this.build()
    this.load(0)
  }

  build() {
    const choice = (name, label) => element('select', {'aria-label': label, 'data-name': name, onchange: () => this.load(0)})
    this.filters = {shown: choice('shown', 'Which events'), answer: choice('answer', 'Answer'),
      annotator: choice('annotator', 'Annotator'), strategy: choice('strategy', 'Asked by')}
    this.fill(this.filters.shown, SHOWN)
    this.text = element('input', {type: 'search', 'aria-label': 'Part of the id or note', placeholder: 'id or note',
      oninput: () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.load(0), RELOAD_AFTER) }})
    const button = (text, title, run) => element('button', {type: 'button', text, title, onclick: run})
    this.newer = button('‹', 'Newer', () => this.load(this.offset - PAGE_LENGTH))
    this.older = button('›', 'Older', () => this.load(this.offset + PAGE_LENGTH))
    this.where = element('span', {role: 'status', class: 'where', 'data-testid': 'history-count'})
    this.work = button('Work through them', 'Show the deferred items on the card, one after the other', () => this.send({type: 'work', query: this.query}))
    this.undo = button('Undo', 'Undo your newest answer', () => this.send({type: 'undo'}))
    this.redo = button('Redo', 'Redo what was undone', () => this.send({type: 'redo'}))
    this.rows = element('tbody')
    this.empty = element('p', {class: 'empty', hidden: true,
      text: 'Answers are listed here, the newest first, to be looked at, changed and undone: give the first one on the card.'})
    this.table = element('div', {class: 'lines', tabindex: '0', role: 'group', 'aria-label': 'Answers, the newest first'}, element('table', {},
      element('thead', {}, element('tr', {}, ...HEADS.map((text) => element('th', {scope: 'col', text})))), this.rows), this.empty)
    this.table.addEventListener('keydown', (event) => this.onKey(event))
    this.bar = this.buildBar(button)
    this.root = element('section', {class: 'history', 'aria-label': 'History'},
      element('div', {class: 'tools', role: 'group', 'aria-label': 'Filters'}, ...Object.values(this.filters), this.text,
        element('span', {class: 'pages'}, this.newer, this.where, this.older), this.work, element('span', {class: 'space'}), this.undo, this.redo),
      this.table, this.bar)
  }

  buildBar(button) {
    this.barItem = element('b', {'data-testid': 'history-item'})
    this.answer = element('select', {'aria-label': 'Other answer'})
    this.note = element('input', {type: 'text', 'aria-label': 'Note', placeholder: 'note', maxlength: '2000'})
    return element('div', {class: 'bar', role: 'group', 'aria-label': 'The chosen line', hidden: true}, this.barItem,
      this.answer, button('Change', 'Give the item this answer', () => this.change()),
      this.note, button('Save note', 'Put this note on the item', () => this.decide({action: 'note', note: this.note.value.trim()})),
      this.undoOne = button('Undo this', 'Take this answer back, and no other', () => this.send({type: 'undo_one', target: this.chosen})),
      button('Open', 'Show the item on the card', () => this.send({type: 'open', row: this.line.row})))
  }

  fill(select, options) {
    const before = select.value
    select.replaceChildren(...options.map(([value, text]) => element('option', {value, text})))
    if (options.some(([value]) => value === before)) select.value = before
  }

  get query() {
    const query = Object.fromEntries(Object.entries(this.filters).map(([name, select]) => [name, select.value]))
    return {...query, text: this.text.value}
  }

  get line() { return this.lines.find((line) => line.event_id === this.chosen) }

  // ---- with the server ------------------------------------------------------------------------

  send(message) { try { this.model.send_msg(message) } catch { /* no connection: loaded again with the page */ } }

  load(offset) {
    this.asked += 1
    this.send({type: 'load', query: this.query, offset: Math.max(0, offset), limit: PAGE_LENGTH, number: this.asked})
  }

  receive(message) {
    if (message.type === 'changed') {
      clearTimeout(this.reloading)
      this.reloading = setTimeout(() => this.load(this.offset), RELOAD_AFTER)
    } else if (message.type === 'lines' && message.number === this.asked) this.take(message)
  }

  take({lines, total, offset, classes, shown, annotators, strategies, undoable, redoable}) {
    Object.assign(this, {lines, total, offset, classes})
    const names = classes.map(({name}) => [`class:${name}`, name])
    const given = shown.map((name) => [`class:${name}`, name])
    this.fill(this.filters.answer, [['', 'any answer'], ...given, ...OTHER, ...STEPS])
    this.fill(this.filters.annotator, [['', 'by anybody'], ...annotators.map((name) => [name, name])])
    this.fill(this.filters.strategy, [['', 'asked by any'], ...strategies])
    this.fill(this.answer, [...names, ...OTHER])
    this.undo.disabled = !undoable
    this.redo.disabled = !redoable
    this.paint()
  }

  // ---- painting -------------------------------------------------------------------------------

  paint() {
    const n = this.total.toLocaleString('en')
    const last = this.offset + this.lines.length
    this.where.textContent = this.total ? `${(this.offset + 1).toLocaleString('en')}–${last.toLocaleString('en')} of ${n}` : 'none'
    const {shown, ...filters} = this.query
    this.empty.hidden = this.total > 0 || shown !== 'all' || Object.values(filters).some(Boolean)
    this.newer.disabled = this.offset === 0
    this.older.disabled = last >= this.total
    this.work.hidden = this.filters.shown.value !== 'deferred' || !this.total
    this.rows.replaceChildren(...this.lines.map((line) => this.paintLine(line)))
    this.paintBar()
  }

  paintLine(line) {
    const cls = this.classes.find(({name}) => name === line.label)
    const sign = element('span', {class: 'swatch', 'aria-hidden': 'true', text: cls && line.is_label ? cls.shape : '', style: `--colour: ${cls ? cls.colour : 'inherit'}`})
    const cell = (text) => element('td', {text, title: text})
    const answer = element('td', {title: line.answer}, sign, line.answer)
    const row = element('tr', {'data-event': line.event_id, class: line.now ? 'past' : '', 'aria-selected': String(line.event_id === this.chosen),
      onclick: () => this.choose(line.event_id), ondblclick: () => this.send({type: 'open', row: line.row})},
    element('th', {scope: 'row'}, element('button', {type: 'button', class: 'pick', text: line.item, title: line.item})), answer, ...[line.now, line.when, line.by, line.strategy, line.seconds, line.note].map(cell))
    return row
  }

  choose(eventId) {
    this.chosen = eventId
    for (const row of this.rows.children) row.setAttribute('aria-selected', String(row.dataset.event === eventId))
    const line = this.line
    if (line) {
      const value = line.is_label ? `class:${line.label}` : line.action
      if ([...this.answer.options].some((option) => option.value === value)) this.answer.value = value
      this.note.value = line.item_note
    }
    this.paintBar()
  }

  paintBar() {
    const line = this.line
    this.bar.hidden = !line
    if (!line) return
    this.barItem.textContent = line.item
    this.undoOne.disabled = line.now === 'undone' || line.action === 'undo' || line.action === 'redo'
  }

  // ---- answers --------------------------------------------------------------------------------

  change() {
    const [kind, name] = this.answer.value.startsWith('class:') ? ['label', this.answer.value.slice(6)] : [this.answer.value, null]
    this.decide({action: kind, label: name})
  }

  decide(values) {
    const decision = {event_id: newId(), row: this.line.row, label: null, note: null, input: 'history', round: null, ...values}
    if (!handOver([decision])) this.send({type: 'decide', decision})
  }

  onKey(event) {
    const place = this.lines.findIndex((line) => line.event_id === this.chosen)
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key]
    if (!step || !this.lines.length) return
    event.preventDefault()
    this.choose(this.lines[Math.min(Math.max(place + step, 0), this.lines.length - 1)].event_id)
    this.rows.querySelector('[aria-selected="true"]').scrollIntoView({block: 'nearest'})
  }
}

export function render({model}) {
  const history = new History(model)
  const host = element('div', {class: 'host'}, history.root)
  const paintTheme = () => host.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('msg:custom', (message) => history.receive(message))
  return host
}
