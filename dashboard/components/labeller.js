// The labelling surface: the item card, its class buttons and keys, and the answers not yet durable.
//
// The next items are in the browser before they are needed, so that a key paints the next one at once.
// An answer stays in localStorage until the server says that it is on disk, and is sent again until then.

const PRELOADED_IMAGES = 25

class Surface {
  constructor(model) {
    this.model = model
    this.outbox = new Outbox(model.storage)
    this.items = new Map() // row → card content
    this.queue = []
    this.current = null
    this.shownAt = performance.now()
    this.nLabels = 0
    this.nDuplicates = 0
    this.counts = {}
    this.refusal = ''
    this.images = []
    this.build()
    this.paint()
  }

  // ---- structure ------------------------------------------------------------------------------

  build() {
    this.banner = element('div', {class: 'banner', role: 'alert', hidden: true})
    this.live = element('div', {class: 'sr-only', 'aria-live': 'polite', 'data-testid': 'live'})
    this.heading = element('h2', {class: 'item-id', 'data-testid': 'item-id'})
    this.badge = element('span', {class: 'badge', 'data-testid': 'round-badge'})
    this.card = new Card(this)
    this.noticeText = element('span')
    this.notice = element('div', {class: 'notice', role: 'status', hidden: true, 'data-testid': 'duplicates'}, this.noticeText,
      element('button', {type: 'button', text: 'Label them like their twins',
        onclick: (event) => { event.currentTarget.blur(); this.tell({type: 'propagate'}) }}))
    this.answer = element('p', {class: 'answer', hidden: true, 'data-testid': 'answer'})
    this.classes = element('div', {class: 'classes', role: 'group', 'aria-label': 'Classes'})
    this.suggestion = element('p', {class: 'suggestion', 'data-testid': 'suggestion'})
    this.actions = element('div', {class: 'actions', role: 'group', 'aria-label': 'Other answers'},
      this.action('Skip', 'space', 'Later: the item comes back when nothing else is left', () => this.decide('skip')),
      this.action('Unsure', 'u', 'Looked at it, cannot say', () => this.decide('unsure')),
      this.action('Flag', 'f', 'The item is bad data', () => this.decide('flag')),
      this.action('Note', 'n', 'Write a note on this item', () => this.writeNote()),
      this.action('Undo', 'z', 'Undo the newest answer', () => this.step('undo')),
      this.action('Redo', 'Z', 'Redo what was undone', () => this.step('redo')),
      this.action('Keys', '?', 'Show all keys', () => this.sheet.showModal()))
    this.sheet = this.keySheet()
    this.noteText = element('textarea', {rows: '4', 'aria-label': 'Note', maxlength: '2000'})
    this.noteDialog = this.dialog('Note on this item', this.noteText, 'Save note', () => this.saveNote())
    this.root = element('section', {class: 'surface', 'aria-label': 'Labelling'},
      this.banner,
      element('header', {}, this.heading, this.badge),
      this.notice, this.card.why, this.answer, this.card.body, this.card.near, this.suggestion, this.classes, this.actions,
      this.live, this.sheet, this.noteDialog, this.card.menu, this.card.enlarged)
  }

  action(name, key, title, run) {
    return element('button', {type: 'button', title, onclick: (event) => { event.currentTarget.blur(); run() }},
      element('span', {text: name}), element('kbd', {text: key}))
  }

  dialog(title, content, confirmText, confirm) {
    const dialog = element('dialog', {'aria-label': title},
      element('h3', {text: title}), content,
      element('div', {class: 'dialog-buttons'},
        confirmText ? element('button', {type: 'button', class: 'primary', text: confirmText,
          onclick: () => { confirm(); dialog.close() }}) : null,
        element('button', {type: 'button', text: confirmText ? 'Cancel' : 'Close', onclick: () => dialog.close()})))
    return dialog
  }

  keySheet() {
    const rows = [['space', 'skip: later'], ['u', 'unsure: looked, cannot say'], ['f', 'flag: bad data'],
      ['Enter', 'accept the suggestion'], ['n', 'note'], ...this.card.keys(), ['w', 'why this item: show more, or less'], ['z', 'undo'], ['Shift z', 'redo'], ['?', 'this sheet'],
      ['Esc', 'close a dialog']]
    this.sheetClasses = element('tbody')
    const table = element('table', {}, this.sheetClasses, element('tbody', {}, ...rows.map(([key, what]) => this.keyRow(key, what))))
    return this.dialog('Keys', table)
  }

  keyRow(key, what) {
    return element('tr', {}, element('th', {scope: 'row'}, element('kbd', {text: key})), element('td', {text: what}))
  }

  // ---- painting -------------------------------------------------------------------------------

  paint() {
    this.paintClasses()
    this.paintItem()
    this.paintStatus()
  }

  paintClasses() {
    const buttons = this.model.classes.map((cls) => element('button', {type: 'button', class: cls.wanted ? 'class wanted' : 'class',
        title: cls.definition || (cls.wanted ? `${cls.name}: a class that is looked for` : cls.name),
        'data-class': cls.name, style: `--colour: ${cls.colour}`,
        onclick: (event) => { event.currentTarget.blur(); this.decide('label', cls.name, 'mouse') }},
      element('span', {class: 'swatch', 'aria-hidden': 'true', text: cls.shape}),
      element('span', {class: 'name', text: cls.name}),
      element('span', {class: 'count', text: '', 'data-count': cls.name}),
      cls.key ? element('kbd', {text: cls.key}) : null))
    this.classes.replaceChildren(...buttons)
    this.sheetClasses.replaceChildren(...this.model.classes.filter((cls) => cls.key)
      .map((cls) => this.keyRow(cls.key, cls.name)))
    this.paintCounts()
    this.paintAnswer()
  }

  paintCounts() {
    for (const node of this.classes.querySelectorAll('[data-count]')) {
      node.textContent = this.counts[node.dataset.count] || ''
    }
  }

  paintItem() {
    const entry = this.current
    const item = entry && this.items.get(entry.row)
    this.root.classList.toggle('empty', !item)
    this.root.dataset.row = item ? entry.row : ''
    this.card.paint(item ? entry : null, item)
    if (!item) {
      this.heading.textContent = this.model.exhausted ? 'Nothing is left to ask' : 'Waiting for the next items'
      this.card.reason.textContent = this.model.exhausted ? 'Every item has an answer. Undo, look items up, or export.' : ''
      this.badge.textContent = this.suggestion.textContent = ''
      this.answer.hidden = true
      return
    }
    this.heading.textContent = item.id
    const likely = this.card.suggestion(entry) ? `Most likely ${entry.suggested} (${entry.suggested_probability.toFixed(2)})` : ''
    this.suggestion.replaceChildren(...(likely ? [likely + ' ', element('kbd', {text: 'Enter'}), ' accepts'] : this.card.heldBack(entry)))
    this.paintBadge()
    this.paintAnswer()
  }

  paintNotice() {
    const n = this.nDuplicates
    this.notice.hidden = !n
    this.noticeText.textContent = n === 1 ? '1 item has exactly the features of a labelled one.'
      : `${n.toLocaleString('en')} items have exactly the features of labelled ones.`
  }

  paintBadge() {
    const entry = this.current
    if (!entry || entry.round == null) { this.badge.textContent = entry ? 'opened by you' : ''; return }
    const ago = Math.max(0, this.nLabels + this.outbox.size - entry.n_labels)
    const age = ago === 0 ? 'now' : `${ago} label${ago === 1 ? '' : 's'} ago`
    this.badge.textContent = entry.round === 0 ? 'first look' : `round ${entry.round} · ${age}`
  }

  paintAnswer() {
    const state = this.current && this.current.state
    const said = state && state.status
    this.answer.hidden = !said
    if (said) {
      const what = state.status === 'labelled' ? state.label : state.status
      this.answer.textContent = `Answered: ${what}. A key changes it.`
    }
    for (const button of this.classes.children) {
      const pressed = Boolean(said && state.label === button.dataset.class)
      button.setAttribute('aria-pressed', String(pressed))
      button.classList.toggle('suggested', Boolean(this.card.suggestion(this.current) === button.dataset.class && !said))
    }
  }

  paintStatus() {
    const late = this.outbox.late(Date.now())
    const n = this.outbox.size
    this.banner.hidden = !(late || this.refusal)
    const kept = n ? ` ${n} answer${n === 1 ? ' is' : 's are'} kept in this browser and sent again until stored.` : ''
    this.banner.textContent = this.refusal ? this.refusal + kept : late ? `Not saved yet.${kept}` : ''
    window.dispatchEvent(new CustomEvent('rareloop:status', {detail: {pending: n, late}}))
  }

  // ---- the queue ------------------------------------------------------------------------------

  receive(message) {
    if (message.card) this.card.configure(message.card)
    if (message.items) for (const item of message.items.map((text) => JSON.parse(text))) this.items.set(item.row, item)
    if (message.counts) { this.counts = message.counts; this.nLabels = message.n_labels; this.paintCounts() }
    if (message.n_duplicates != null) { this.nDuplicates = message.n_duplicates; this.paintNotice() }
    const handle = {queue: () => this.takeQueue(message), saved: () => this.acknowledge(message),
      refused: () => this.refused(message), show: () => this.show(message.entry), gone: () => this.drop(message.rows),
      near: () => this.card.takeNear(message), card: () => this.paintItem()}[message.type]
    if (handle) handle()
  }

  takeQueue({queue, campaign}) {
    // When a campaign begins or ends, what is on the card is asked no more, unless the user has opened it.
    const moved = this.campaign !== undefined && campaign !== this.campaign && this.current?.round != null
    this.campaign = campaign
    const busy = this.outbox.rows
    if (this.current && !moved) busy.add(this.current.row)
    this.queue = queue.filter((entry) => !busy.has(entry.row))
    this.preload()
    if (moved || !this.current || !this.items.has(this.current.row)) this.next()
    else this.paintBadge()
  }

  advance() {
    this.current = this.queue.shift() || null
    this.shownAt = performance.now()
    this.paintItem()
    this.preload()
  }

  next() {
    this.advance()
    this.tell({type: 'current', row: this.current ? this.current.row : null})
  }

  show(entry) {
    const before = this.current
    if (before && before.row !== entry.row && !(before.state && before.state.status)) this.queue.unshift(before)
    this.queue = this.queue.filter((other) => other.row !== entry.row)
    this.current = entry
    this.shownAt = performance.now()
    this.paintItem()
    this.tell({type: 'current', row: entry.row})
  }

  drop(rows) {
    const gone = new Set(rows)
    this.queue = this.queue.filter((entry) => !gone.has(entry.row))
    if (this.current && gone.has(this.current.row)) this.next()
  }

  preload() {
    this.images = this.queue.slice(0, PRELOADED_IMAGES).map((entry) => {
      const item = this.items.get(entry.row)
      if (!item || !item.image) return null
      const image = new Image()
      image.src = item.image
      return image
    })
  }

  // ---- answers --------------------------------------------------------------------------------

  decide(action, label = null, input = 'key', note = null) {
    const entry = this.current
    if (!entry || !this.items.has(entry.row)) return
    this.refusal = ''
    const decision = {event_id: newId(), row: entry.row, action, label, note, input, round: entry.round ?? null,
      suggestion_shown: this.card.shown(entry),
      dwell_ms: Math.round(performance.now() - this.shownAt)}
    this.outbox.add(decision)
    if (action === 'note') entry.state = {...(entry.state || {}), note}
    else this.advance()
    this.tell({type: 'decide', decisions: [decision], current: this.current ? this.current.row : null})
    this.paintStatus()
  }

  accept() {
    const suggested = this.card.suggestion(this.current)
    if (suggested) this.decide('label', suggested)
  }

  step(which) { this.tell({type: which, event_id: newId()}) }

  writeNote() {
    if (!this.current) return
    this.noteText.value = (this.current.state && this.current.state.note) || ''
    this.noteDialog.showModal()
    this.noteText.focus()
  }

  saveNote() { this.decide('note', null, 'key', this.noteText.value.trim()) }

  acknowledge({event_ids: eventIds, say}) {
    for (const eventId of eventIds) this.outbox.remove(eventId)
    this.refusal = ''
    this.live.textContent = say || 'saved'
    this.paintStatus()
  }

  refused({event_ids: eventIds, message, retry}) {
    if (!retry) for (const eventId of eventIds) this.outbox.remove(eventId)
    this.refusal = message
    this.paintStatus()
  }

  tick() {
    const due = this.outbox.due(Date.now())
    if (due.length) this.tell({type: 'decide', decisions: due})
    this.paintStatus()
  }

  tell(message) {
    try { this.model.send_msg(message) } catch { /* no connection: the outbox sends it again */ }
  }

  // ---- keys -----------------------------------------------------------------------------------

  onKey(event) {
    if (event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
    if (this.root.querySelector('dialog[open]')) return
    const target = event.composedPath()[0]
    if (isTyping(target)) return
    const cls = this.model.classes.find((candidate) => candidate.key === event.key)
    const run = cls ? () => this.decide('label', cls.name) : this.commands()[event.key]
    if (!run || (activates(target) && (event.key === ' ' || event.key === 'Enter'))) return
    event.preventDefault()
    run()
  }

  commands() {
    return {...this.card.commands(), ' ': () => this.decide('skip'), u: () => this.decide('unsure'), f: () => this.decide('flag'),
      Enter: () => this.accept(), n: () => this.writeNote(),
      w: () => this.card.toggleWhy(), z: () => this.step('undo'), Z: () => this.step('redo'),
      '?': () => this.sheet.showModal()}
  }
}

export function render({model}) {
  const surface = new Surface(model)
  const host = element('div', {class: 'host'}, surface.root)
  const onKey = (event) => surface.onKey(event)
  window.addEventListener('keydown', onKey)
  const timer = setInterval(() => surface.tick(), 500)
  const paintTheme = () => host.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('classes', () => surface.paintClasses())
  model.on('exhausted', () => { if (!surface.current) surface.paintItem() })
  model.on('msg:custom', (message) => surface.receive(message))
  model.on('remove', () => { window.removeEventListener('keydown', onKey); clearInterval(timer) })
  surface.tell({type: 'hello', decisions: surface.outbox.decisions})
  return host
}
