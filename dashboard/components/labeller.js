// The labelling surface: the item card, its class buttons and keys, and the answers not yet durable.
//
// The next items are in the browser before they are needed, so that a key paints the next one at once.
// An answer stays in localStorage until the server says that it is on disk, and is sent again until then.

const PRELOADED_IMAGES = 25
const ACTIONS = [ // command, button, what it does
  ['skip', 'Skip', 'Not now: the item comes back when nothing else is left'],
  ['defer', 'Defer', 'Put aside for a second look: the history lists it, and it comes back when nothing else is left'],
  ['unsure', 'Unsure', 'Looked at it, cannot say'],
  ['flag', 'Flag', 'The item is bad data'],
  ['note', 'Note', 'Write a note on this item'],
  ['undo', 'Undo', 'Undo the newest answer'],
  ['redo', 'Redo', 'Redo what was undone'],
  ['sheet', 'Keys', 'Show all keys, and change them'],
]

class Surface {
  constructor(model) {
    this.model = model
    this.outbox = new Outbox(model.storage)
    this.items = new Map() // row → card content
    this.queue = []
    this.ahead = [] // what the user goes through before the queue
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
    this.liveItem = element('div', {class: 'sr-only', 'aria-live': 'polite', 'data-testid': 'live-item'})
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
      ...ACTIONS.map(([command, name, title]) => this.action(command, name, title)))
    this.keys = new Keys(this, this.commands())
    this.noteText = element('textarea', {rows: '4', 'aria-label': 'Note', maxlength: '2000'})
    this.noteDialog = this.dialog('Note on this item', this.noteText, [element('button', {type: 'button', class: 'primary',
      text: 'Save note', onclick: () => { this.saveNote(); this.noteDialog.close() }})], 'Cancel')
    this.root = element('section', {class: 'surface', 'aria-label': 'Labelling'},
      this.banner,
      element('header', {}, this.heading, this.badge),
      this.notice, this.card.why, this.answer, this.card.body, this.card.near, this.suggestion, this.classes, this.actions,
      this.live, this.liveItem, this.keys.sheet, this.keys.change, this.noteDialog, this.card.menu.root, this.card.enlarged)
  }

  action(command, name, title) {
    const run = this.commands()[command]
    return element('button', {type: 'button', title, onclick: (event) => { event.currentTarget.blur(); run() }},
      element('span', {text: name}), element('kbd', {'data-command': command}))
  }

  dialog(title, content, buttons, closing = 'Close') {
    const dialog = element('dialog', {'aria-label': title})
    dialog.append(element('h3', {text: title}), content, element('div', {class: 'dialog-buttons'}, ...buttons,
      element('button', {type: 'button', text: closing, onclick: () => dialog.close()})))
    return dialog
  }

  // ---- painting -------------------------------------------------------------------------------

  paint() {
    this.paintKeys()
    this.paintClasses()
    this.paintItem()
    this.paintStatus()
  }

  paintKeys() {
    for (const node of this.root.querySelectorAll('kbd[data-command]')) {
      const key = this.keys.keyOf(node.dataset.command)
      node.textContent = keySign(key)
      node.hidden = !key
    }
    this.keys.paint()
  }

  paintClasses() {
    const buttons = this.model.classes.map((cls) => element('button', {type: 'button', class: cls.wanted ? 'class wanted' : 'class',
        title: cls.definition || (cls.wanted ? `${cls.name}: a class that is looked for` : cls.name),
        'data-class': cls.name, style: `--colour: ${cls.colour}`,
        onclick: (event) => { event.currentTarget.blur(); this.decide('label', cls.name, 'mouse') }},
      element('span', {class: 'swatch', 'aria-hidden': 'true', text: cls.shape}),
      element('span', {class: 'name', text: cls.name}),
      element('span', {class: 'count', text: '', 'data-count': cls.name}),
      cls.key ? element('kbd', {text: keySign(cls.key)}) : null))
    this.classes.style.setProperty('--least', `${Math.min(150, 100 + 8 * Math.max(0, ...this.model.classes.map((cls) => cls.name.length)))}px`)
    this.classes.replaceChildren(...buttons)
    this.keys.paint()
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
      this.speakItem(this.heading.textContent)
      this.badge.textContent = this.suggestion.textContent = ''
      this.answer.hidden = true
      return
    }
    this.heading.textContent = item.id
    this.speakItem(`${item.id}. ${entry.reason || ''}`)
    const likely = this.card.suggestion(entry) ? `Most likely ${entry.suggested} (${entry.suggested_probability.toFixed(2)})` : ''
    const accept = this.keys.keyOf('accept')
    this.suggestion.replaceChildren(...(!likely ? this.card.heldBack(entry)
      : accept ? [likely + ' ', element('kbd', {text: keySign(accept)}), ' accepts'] : [likely]))
    this.paintBadge()
    this.paintAnswer()
  }

  // Painting the same item again is not spoken again.
  speakItem(words) { if (this.liveItem.textContent !== words) this.liveItem.textContent = words }

  paintNotice() {
    const n = this.nDuplicates
    this.notice.hidden = !n
    this.noticeText.textContent = n === 1 ? '1 item has exactly the features of a labelled one.'
      : `${n.toLocaleString('en')} items have exactly the features of labelled ones.`
  }

  paintBadge() {
    const entry = this.current
    if (!entry || entry.round == null) { this.badge.textContent = entry ? entry.badge || 'opened by you' : ''; return }
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
      ahead: () => this.takeAhead(message), back: () => this.backToQueue(), key_set: () => this.keys.answered(message),
      near: () => this.card.takeNear(message), card: () => this.paintItem(),
      card_set: () => this.card.menu.answered(message), card_tried: () => this.card.menu.previewed(message)}[message.type]
    if (handle) handle()
  }

  takeQueue({queue, campaign}) {
    // When a campaign begins or ends, what is on the card is asked no more, unless the user has opened it.
    const moved = this.campaign !== undefined && campaign !== this.campaign && this.current?.round != null
    this.campaign = campaign
    const busy = this.outbox.rows
    for (const entry of this.ahead) busy.add(entry.row)
    if (this.current && !moved) busy.add(this.current.row)
    this.queue = queue.filter((entry) => !busy.has(entry.row))
    this.root.dataset.queue = queue.length ? queue[0].round : ''
    this.preload()
    if (moved || !this.current || !this.items.has(this.current.row)) this.next()
    else this.paintBadge()
  }

  advance() {
    this.current = this.ahead.shift() || this.queue.shift() || null
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

  takeAhead({entries}) {
    const before = this.current
    if (before && !(before.state && before.state.status)) this.queue.unshift(before)
    const rows = new Set(entries.map((entry) => entry.row))
    this.queue = this.queue.filter((entry) => !rows.has(entry.row))
    this.ahead = entries
    this.next()
  }

  walk(back) { this.tell({type: 'walk', back, row: this.current ? this.current.row : null}) }

  backToQueue() {
    if (this.current?.state?.status) this.next()
  }

  drop(rows) {
    const gone = new Set(rows)
    this.queue = this.queue.filter((entry) => !gone.has(entry.row))
    this.ahead = this.ahead.filter((entry) => !gone.has(entry.row))
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

  // Answers that another view gives, in one step each: they are as durable as those of the card.
  takeOver(event) {
    event.preventDefault()
    const {decisions} = event.detail
    this.refusal = ''
    for (const decision of decisions) this.outbox.add(decision)
    this.tell({type: 'decide', decisions})
    this.drop(decisions.filter((decision) => decision.action !== 'note').map((decision) => decision.row))
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
    window.dispatchEvent(new CustomEvent('rareloop:saved', {detail: {eventIds}}))
    this.paintStatus()
  }

  refused({event_ids: eventIds, message, retry}) {
    if (!retry) for (const eventId of eventIds) this.outbox.remove(eventId)
    this.refusal = message
    if (!retry) window.dispatchEvent(new CustomEvent('rareloop:refused', {detail: {eventIds, message}}))
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

  commands() {
    const tell = (command) => () => this.tell({type: 'key', command, row: this.current ? this.current.row : null})
    return {...this.card.commands(), skip: () => this.decide('skip'), defer: () => this.decide('defer'), unsure: () => this.decide('unsure'),
      flag: () => this.decide('flag'), accept: () => this.accept(), note: () => this.writeNote(),
      why: () => this.card.toggleWhy(), undo: () => this.step('undo'), redo: () => this.step('redo'),
      back: () => this.walk(true), forward: () => this.walk(false), similar: tell('similar'), search: tell('search'),
      guideline: tell('guideline'), grid: tell('grid'), sheet: () => this.keys.sheet.showModal()}
  }
}

export function render({model}) {
  const surface = new Surface(model)
  const host = element('div', {class: 'host'}, surface.root)
  const onKey = (event) => surface.keys.onKey(event)
  const onDecide = (event) => surface.takeOver(event)
  window.addEventListener('keydown', onKey)
  window.addEventListener('rareloop:decide', onDecide)
  const timer = setInterval(() => surface.tick(), 500)
  const paintTheme = () => host.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('classes', () => surface.paintClasses())
  model.on('commands', () => { surface.paintKeys(); surface.paintItem() })
  model.on('exhausted', () => { if (!surface.current) surface.paintItem() })
  // The page is loaded anew for another layout: the same item is to be shown again, as it was asked.
  const onLeave = () => {
    const entry = surface.current
    if (entry) sessionStorage.setItem('rareloop:reopen', JSON.stringify({row: entry.row, as_asked: entry.round != null}))
  }
  window.addEventListener('rareloop:leave', onLeave)
  model.on('msg:custom', (message) => surface.receive(message))
  model.on('remove', () => {
    window.removeEventListener('keydown', onKey)
    window.removeEventListener('rareloop:decide', onDecide)
    window.removeEventListener('rareloop:leave', onLeave)
    clearInterval(timer)
  })
  surface.tell({type: 'hello', decisions: surface.outbox.decisions})
  return host
}
