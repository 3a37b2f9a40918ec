// The grid: many small cards, each with a mark; one key stores the marks of what has been on the screen.

const SETTINGS = 'rareloop-grid' // remembered by the browser, for all workspaces
const SIZES = [12, 24, 36, 48, 60]
const SOURCES = [['queue', 'queue'], ['selection', 'selection']]
const MARKS = [['suggested', 'as suggested'], ['wanted', 'if looked for'], ['none', 'unmarked']]
const SURE = [['0.5', 'from 0.5'], ['0.7', 'from 0.7'], ['0.9', 'from 0.9'], ['0.97', 'from 0.97'], ['0', 'any']]
const LABEL_HEIGHT = 22
const WIDER = 1.5 // than high: a tile of words alone, as in its stylesheet
const SMALLEST = 58
const LARGEST = 210
const ANSWERS = {unsure: 'unsure', flag: 'flag', defer: 'defer', skip: null}
const PASSED_ON = new Set(['undo', 'redo', 'sheet', 'search', 'guideline'])

class Grid {
  constructor(model) {
    this.model = model
    this.tiles = [] // {item, mark, seen, node}
    this.ready = null // the next items, with their pictures on the way
    this.passed = new Set() // rows that were left out: they stay in the queue
    this.steps = new Map() // step → what it stored, to show it again when it is undone
    this.pending = new Map() // event id → step, until it is stored
    this.focus = this.asked = 0
    this.brush = null
    this.build()
    this.load()
  }

  build() {
    const kept = this.remembered()
    const choice = (name, label, options) => {
      const select = element('select', {'aria-label': label, onchange: () => { this.remember(); this.restart() }},
        ...options.map(([value, text]) => element('option', {value: String(value), text})))
      if (options.some(([value]) => String(value) === kept[name])) select.value = kept[name]
      return select
    }
    this.choices = {source: choice('source', 'Items of', SOURCES), n: choice('n', 'How many', SIZES.map((n) => [n, `${n} items`])),
      marks: choice('marks', 'Marks', MARKS), sure: choice('sure', 'Least probability', SURE)}
    this.said = element('span', {role: 'status', class: 'said', 'data-testid': 'grid-said'})
    this.again = element('button', {type: 'button', text: 'Show those left out', hidden: true, onclick: () => this.restart()})
    this.wideButton = element('button', {type: 'button', text: 'Enlarge', onclick: () => this.widen(!this.wide)})
    this.store = element('button', {type: 'button', class: 'primary', 'data-testid': 'grid-store', onclick: () => this.commit()})
    this.area = element('div', {class: 'area', role: 'group', 'aria-label': 'Items'})
    this.root = element('section', {class: 'grid', 'aria-label': 'Grid'},
      element('div', {class: 'tools'}, ...Object.values(this.choices), this.again, this.said, this.wideButton, this.store), this.area)
    this.seen = new IntersectionObserver((entries) => this.look(entries), {threshold: 0.6})
    this.sized = new ResizeObserver(() => this.fit())
    this.sized.observe(this.area)
  }

  remembered() { try { return JSON.parse(localStorage.getItem(SETTINGS)) || {} } catch { return {} } }

  remember() {
    const kept = Object.fromEntries(Object.entries(this.choices).map(([name, select]) => [name, select.value]))
    try { localStorage.setItem(SETTINGS, JSON.stringify(kept)) } catch { /* not remembered */ }
  }

  get wide() { return this.root.hasAttribute('popover') }

  widen(on) {
    if (on && !this.wide) { this.root.setAttribute('popover', 'manual'); this.root.showPopover() }
    if (!on && this.wide) this.root.removeAttribute('popover')
    this.wideButton.textContent = on ? 'Back (Esc)' : 'Enlarge'
    this.fit()
    this.takeFocus()
  }

  // ---- with the server ------------------------------------------------------------------------

  send(message) { try { this.model.send_msg(message) } catch { /* no connection: asked again with the next step */ } }

  load() {
    this.asked += 1
    const exclude = [...this.passed, ...this.tiles.map((tile) => tile.item.row), ...this.underWay()]
    this.send({type: 'load', source: this.choices.source.value, n: Number(this.choices.n.value), exclude, number: this.asked})
  }

  underWay() { return [...new Set(this.pending.values())].flatMap((step) => (this.steps.get(step) || []).map((tile) => tile.item.row)) }

  restart() {
    this.passed.clear()
    this.ready = null
    this.show([])
    this.load()
  }

  receive(message) {
    const handle = {page: () => this.take(message), gone: () => this.drop(message.rows), undone: () => this.bringBack(message.bulk),
      stale: () => { if (this.choices.source.value === 'queue') this.load() }, enter: () => this.enter(),
      selection: () => { if (this.choices.source.value === 'selection') this.restart() }}[message.type]
    if (handle) handle()
  }

  take({items, number, enter}) {
    if (number !== this.asked) return
    const shown = new Set(this.tiles.map((tile) => tile.item.row))
    const fresh = items.filter((item) => !shown.has(item.row))
    this.preload(fresh)
    this.ready = fresh
    if (!this.tiles.length && fresh.length) { this.show(fresh); this.ready = null; this.load() }
    if (enter) this.enter()
    this.paint()
  }

  preload(items) {
    this.images = items.filter((item) => item.image).map((item) => {
      const image = new Image()
      image.src = item.image
      return image
    })
  }

  enter() {
    this.send({type: 'entered'})
    this.widen(true)
  }

  // ---- items and marks ------------------------------------------------------------------------

  show(items, marks = null) {
    this.seen.disconnect()
    this.tiles = items.map((item, place) => ({item, mark: marks ? marks[place] : this.firstMark(item), seen: false, hinted: this.isHinted(item)}))
    this.shownAt = performance.now()
    this.focus = 0
    this.area.replaceChildren(...this.tiles.map((tile, place) => this.makeTile(tile, place)))
    for (const tile of this.tiles) this.seen.observe(tile.node)
    this.area.scrollTop = 0
    this.fit()
    if (this.wide || this.area.contains(this.root.getRootNode().activeElement)) this.takeFocus()
    this.paint()
  }

  isHinted(item) {
    const marks = this.choices.marks.value
    if (marks === 'none' || item.blind || !item.suggested || item.probability < Number(this.choices.sure.value)) return false
    return marks === 'suggested' || Boolean(this.classOf(item.suggested)?.wanted)
  }

  firstMark(item) { return this.isHinted(item) && this.classOf(item.suggested) ? {action: 'label', label: item.suggested} : null }

  classOf(name) { return this.model.classes.find((cls) => cls.name === name) }

  makeTile(tile, place) {
    const {item} = tile
    const inside = item.image ? element('img', {alt: '', src: item.image, draggable: 'false'})
      : element('span', {class: 'facts'}, element('b', {text: item.id}), item.text ? element('span', {text: item.text}) : null,
        ...item.fields.map(([name, value]) => element('span', {title: `${name}: ${value}`}, element('i', {text: name}), ` ${value}`)))
    if (item.image) inside.addEventListener('load', () => inside.classList.toggle('tiny', inside.naturalWidth < 64))
    tile.label = element('span', {class: 'mark'})
    tile.node = element('button', {type: 'button', class: item.image ? 'tile' : 'tile words', title: item.id, tabindex: place ? '-1' : '0', 'data-row': item.row,
      onclick: () => { this.focus = place; this.flip(place); this.takeFocus() },
      ondblclick: () => this.send({type: 'open', row: item.row})}, inside, tile.label)
    this.paintTile(tile)
    return tile.node
  }

  paintTile(tile) {
    const cls = tile.mark && this.classOf(tile.mark.label)
    const words = !tile.mark ? 'left out' : tile.mark.label || tile.mark.action
    tile.node.classList.toggle('out', !tile.mark)
    tile.node.style.setProperty('--colour', cls ? cls.colour : 'var(--quiet)')
    tile.label.replaceChildren(...[cls ? element('span', {class: 'swatch', 'aria-hidden': 'true', text: cls.shape}) : null,
      element('span', {class: 'name', text: words})].filter(Boolean))
    tile.node.setAttribute('aria-label', `${tile.item.id}: ${words}`)
    tile.node.setAttribute('aria-pressed', String(Boolean(tile.mark)))
  }

  // A click takes a mark away, or gives the class that was given last.
  flip(place) {
    const wanted = this.model.classes.find((cls) => cls.wanted) || this.model.classes[0]
    const brush = this.classOf(this.brush) || this.classOf(this.tiles[place].item.suggested && this.tiles[place].hinted ? this.tiles[place].item.suggested : '') || wanted
    this.mark(place, this.tiles[place].mark ? null : {action: 'label', label: brush.name})
  }

  mark(place, mark) {
    const tile = this.tiles[place]
    if (!tile) return
    tile.mark = mark
    if (mark?.label) this.brush = mark.label
    this.paintTile(tile)
    this.paint()
  }

  drop(rows) {
    const gone = new Set(rows)
    if (this.ready) this.ready = this.ready.filter((item) => !gone.has(item.row))
    if (!this.tiles.some((tile) => gone.has(tile.item.row))) return
    const left = this.tiles.filter((tile) => !gone.has(tile.item.row))
    this.show(left.map((tile) => tile.item), left.map((tile) => tile.mark))
    if (!left.length) this.turn()
  }

  bringBack(step) {
    const tiles = this.steps.get(step)
    if (!tiles) return
    this.steps.delete(step)
    this.show(tiles.map((tile) => tile.item), tiles.map((tile) => tile.mark))
    this.load()
  }

  // ---- on the screen --------------------------------------------------------------------------

  look(entries) {
    for (const entry of entries) {
      const tile = this.tiles.find((one) => one.node === entry.target)
      if (tile && entry.isIntersecting) tile.seen = true
    }
    this.paint()
  }

  // As large as all of them fit; where they would be too small, the area scrolls.
  fit() {
    const {clientWidth: width, clientHeight: height} = this.area
    const n = this.tiles.length
    if (!width || !n) return
    const ratio = this.tiles.some((tile) => tile.item.image) ? 1 : WIDER
    let best = SMALLEST
    for (let columns = 1; columns <= n; columns += 1) {
      const side = Math.min((width / columns - 6) / ratio, height / Math.ceil(n / columns) - 6 - LABEL_HEIGHT)
      best = Math.max(best, Math.min(side, LARGEST))
    }
    this.root.style.setProperty('--side', `${Math.floor(best)}px`)
  }

  paint() {
    const marked = this.tiles.filter((tile) => tile.mark)
    const unseen = marked.filter((tile) => !tile.seen).length
    this.store.disabled = !this.tiles.length
    this.store.replaceChildren(marked.length ? `Store ${marked.length}` : 'Next', element('kbd', {text: 'Enter'}))
    this.again.hidden = Boolean(this.tiles.length) || !this.passed.size
    if (!this.tiles.length) {
      this.say(this.passed.size ? `${this.passed.size} left out ${this.passed.size === 1 ? 'is' : 'are'} still to be answered.`
        : this.choices.source.value === 'selection' ? 'Nothing without an answer is selected.' : 'Nothing is left in the queue.')
    } else this.say(`${marked.length} of ${this.tiles.length} marked${unseen ? `, ${unseen} of them below` : ''}`)
  }

  say(text) { if (this.said.textContent !== text) this.said.textContent = text }

  takeFocus() {
    const tile = this.tiles[this.focus]
    for (const [place, other] of this.tiles.entries()) other.node.tabIndex = place === this.focus ? 0 : -1
    if (tile) tile.node.focus()
  }

  move(step) {
    if (!this.tiles.length) return
    this.focus = Math.min(Math.max(this.focus + step, 0), this.tiles.length - 1)
    this.takeFocus()
    this.tiles[this.focus].node.scrollIntoView({block: 'nearest'})
  }

  get columns() {
    const top = this.tiles[0]?.node.offsetTop
    const n = this.tiles.findIndex((tile) => tile.node.offsetTop > top)
    return n < 0 ? this.tiles.length : n
  }

  // ---- storing --------------------------------------------------------------------------------

  // Stores the marks in one step; what has not been on the screen is shown first.
  commit() {
    const marked = this.tiles.filter((tile) => tile.mark)
    const unseen = marked.find((tile) => !tile.seen)
    if (!this.tiles.length) return
    if (unseen) { unseen.node.scrollIntoView({block: 'start'}); return }
    if (marked.length && !this.keep(marked)) { this.say('The page has no item card, which stores answers: add the view “Item”.'); return }
    for (const tile of this.tiles) if (!tile.mark) this.passed.add(tile.item.row)
    this.turn()
  }

  keep(marked) {
    const step = newId()
    const dwell = Math.round((performance.now() - this.shownAt) / this.tiles.length)
    const decisions = marked.map(({item, mark, hinted}) => ({event_id: newId(), row: item.row, action: mark.action, label: mark.label || null,
      note: null, input: 'grid', round: item.round, dwell_ms: dwell, bulk: step, suggestion_shown: item.suggested ? hinted : null}))
    this.steps.set(step, this.tiles.filter((tile) => tile.mark))
    for (const decision of decisions) this.pending.set(decision.event_id, step)
    this.tiles = this.tiles.filter((tile) => !tile.mark) // or the surface's answer would drop them one by one
    return handOver(decisions)
  }

  turn() {
    const next = (this.ready || []).filter((item) => !this.passed.has(item.row))
    this.ready = null
    this.show(next)
    this.load()
  }

  settle(eventIds) { for (const eventId of eventIds) this.pending.delete(eventId) }

  // ---- keys -----------------------------------------------------------------------------------

  onKey(event) {
    const path = event.composedPath()
    if (!this.wide && !path.includes(this.root)) return
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
    if (isTyping(path[0]) || path.some((node) => node.tagName === 'DIALOG')) return
    const isButton = activates(path[0]) && !path.includes(this.area)
    if (isButton && (event.key === 'Enter' || event.key === ' ')) return
    const run = this.find(event.key)
    if (!run) return
    event.preventDefault()
    event.stopImmediatePropagation()
    if (!event.repeat || event.key.startsWith('Arrow')) run()
  }

  // What a key does; keys of the card alone do nothing here, so that no answer goes to an item out of sight.
  find(key) {
    const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns}
    if (key in moves) return () => this.move(moves[key])
    if (key === 'Enter') return () => this.commit()
    if (key === 'Escape') return this.wide ? () => this.widen(false) : undefined
    const cls = this.model.classes.find((candidate) => candidate.key === key)
    if (cls) return () => { this.mark(this.focus, {action: 'label', label: cls.name}); this.move(1) }
    const command = this.model.commands.find((candidate) => candidate.key === key)
    if (!command || PASSED_ON.has(command.name)) return undefined
    if (command.name === 'grid') return () => this.widen(!this.wide)
    if (command.name in ANSWERS) {
      const action = ANSWERS[command.name]
      return () => { this.mark(this.focus, action ? {action} : null); this.move(1) }
    }
    return () => {}
  }

  close() {
    this.seen.disconnect()
    this.sized.disconnect()
  }
}

export function render({model}) {
  const grid = new Grid(model)
  const host = element('div', {class: 'host'}, grid.root)
  const paintTheme = () => { host.classList.toggle('dark', model.dark); grid.root.classList.toggle('dark', model.dark) }
  const onKey = (event) => grid.onKey(event)
  const onSettled = (event) => grid.settle(event.detail.eventIds)
  paintTheme()
  window.addEventListener('keydown', onKey, {capture: true})
  for (const name of ['rareloop:saved', 'rareloop:refused']) window.addEventListener(name, onSettled)
  model.on('dark', paintTheme)
  model.on('classes', () => { for (const tile of grid.tiles) grid.paintTile(tile) })
  model.on('msg:custom', (message) => grid.receive(message))
  model.on('remove', () => {
    window.removeEventListener('keydown', onKey, {capture: true})
    for (const name of ['rareloop:saved', 'rareloop:refused']) window.removeEventListener(name, onSettled)
    grid.close()
  })
  return host
}
