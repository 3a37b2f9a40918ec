// Charts of columns: drag a range or choose bars, and the server filters.

const SVG = 'http://www.w3.org/2000/svg'
const HEIGHT = 100
const SMALLEST = 2.5  // of the height, so that a single item can be seen
const number = (value) => Number(value).toLocaleString('en')
const drawn = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  return node
}
const height = (count, most) => (count ? Math.max(SMALLEST, (HEIGHT * count) / most) : 0)

class Charts {
  constructor(model) {
    this.model = model
    this.state = {charts: [], balance: [], chips: [], choices: [], chosen: [], n_selected: 0}
    this.open = {}  // the range being chosen, by column: [first bin, last bin]
    this.nodes = new Map()
    this.balance = element('div', {class: 'balance', role: 'group', 'aria-label': 'Labels per class'})
    this.note = element('span', {class: 'quiet', role: 'status', 'data-testid': 'distributions-note'})
    this.columns = popup('Columns', 'Columns with a chart', (panel) => this.fillColumns(panel))
    this.chips = element('div', {class: 'chips', role: 'group', 'aria-label': 'Filters'})
    this.charts = element('div', {class: 'all'})
    this.root = element('div', {class: 'host'},
      element('div', {class: 'bar'}, this.balance, this.note, this.columns.button), this.chips, this.charts, this.columns.panel)
  }

  tell(message) { this.model.send_msg(message) }

  receive(message) {
    Object.assign(this.state, message)
    this.paintBalance()
    this.paintChips()
    this.paintCharts()
    const {n_selected: n} = this.state
    this.note.textContent = n ? `${number(n)} selected` : ''
  }

  paintBalance() {
    const most = Math.max(1, ...this.state.balance.map((part) => Math.sqrt(part.count)))
    const parts = this.state.balance.map((part) => {
      const text = `${part.sign ?? ''} ${part.label} ${number(part.count)}`.trim()
      const node = element('button', {
        type: 'button', text, title: `${text}: choose`, 'aria-pressed': String(Boolean(part.chosen)),
        onclick: () => this.tell({type: 'class', rule: part.rule}),
      })
      node.style.flexGrow = String(0.2 + Math.sqrt(part.count) / most)
      if (part.colour) node.style.setProperty('--colour', part.colour)
      return node
    })
    this.replace(this.balance, parts)
  }

  paintChips() {
    const chips = this.state.chips.map((rule) => element('button', {
      type: 'button', class: 'chip', text: `${rule}  ✕`, title: `Remove the filter ${rule}`, 'aria-label': `Remove the filter ${rule}`,
      onclick: () => this.tell({type: 'remove', rule}),
    }))
    if (chips.length > 1) {
      chips.push(element('button', {type: 'button', class: 'chip', text: 'Clear all', onclick: () => this.tell({type: 'clear'})}))
    }
    this.replace(this.chips, chips)
  }

  // New buttons in the place of old ones, the focus staying where it was.
  replace(parent, children) {
    const place = [...parent.children].indexOf(this.root.getRootNode().activeElement)
    parent.replaceChildren(...children)
    if (place >= 0) (parent.children[place] ?? parent.lastChild)?.focus()
  }

  paintCharts() {
    const names = this.state.charts.map((chart) => chart.name)
    for (const [name, node] of this.nodes) {
      if (!names.includes(name)) { node.root.remove(); this.nodes.delete(name) }
    }
    this.state.charts.forEach((chart, place) => {
      if (!this.nodes.has(chart.name)) this.nodes.set(chart.name, chart.edges ? this.makeHistogram(chart.name) : this.makeBars(chart.name))
      const node = this.nodes.get(chart.name)
      if (this.charts.children[place] !== node.root) this.charts.insertBefore(node.root, this.charts.children[place] ?? null)
      node.title.textContent = chart.note ? ` ${chart.note}` : ''
      node.paint(chart)
    })
  }

  frame(name, ...children) {
    const title = element('span')
    return {title, root: element('section', {class: 'chart', 'aria-label': name}, element('h3', {text: name, title: name}, title), ...children)}
  }

  // ---- histograms ----------------------------------------------------------------------------------

  makeHistogram(name) {
    const svg = drawn('svg', {preserveAspectRatio: 'none', role: 'img'})
    const brush = element('div', {
      class: 'brush', tabindex: '0', role: 'group', 'aria-label': `Range of ${name}: drag, or move with the arrow keys and widen with Shift`,
    }, svg)
    const bound = (label) => element('input', {
      type: 'number', step: 'any', 'aria-label': `${name} ${label}`, placeholder: label, onchange: () => this.typed(name),
    })
    const low = bound('from')
    const high = bound('to')
    const node = {...this.frame(name, brush, element('div', {class: 'bounds'}, low, '–', high)), svg, brush, low, high}
    node.paint = (chart) => this.paintHistogram(node, chart)
    this.listen(name, node)
    return node
  }

  paintHistogram(node, chart) {
    const {svg} = node
    const n = chart.pool.length
    const most = Math.max(1, ...chart.pool)
    svg.setAttribute('viewBox', `0 0 ${n} ${HEIGHT}`)
    svg.setAttribute('aria-label', `Histogram of ${chart.name}, ${significant(chart.edges[0])} to ${significant(chart.edges[n])}`)
    const parts = chart.pool.flatMap((count, bin) => {
      const tip = drawn('title', {})
      tip.textContent = `${significant(chart.edges[bin])} to ${significant(chart.edges[bin + 1])}: ${number(count)} items, ` +
        `${number(chart.selected[bin])} selected, ${number(chart.wanted[bin])} labelled as wanted`
      const bar = (kind, tall, inset, colour) => drawn('rect', {
        class: kind, x: bin + inset, width: 1 - 2 * inset, y: HEIGHT - tall, height: tall, ...(colour ? {fill: colour} : {}),
      })
      const whole = drawn('rect', {x: bin, width: 1, y: 0, height: HEIGHT, fill: 'transparent'})
      whole.append(tip)
      return [
        bar('pool', height(count, most), 0.05), bar('selected', height(chart.selected[bin], most), 0.05),
        ...(chart.wanted[bin] ? [bar('wanted', 12, 0.2, chart.colour)] : []), whole,
      ]
    })
    const range = this.open[chart.name] ?? this.bins(chart)
    if (range) parts.push(drawn('rect', {class: 'window', x: range[0], width: range[1] - range[0] + 1, y: 0, height: HEIGHT}))
    svg.replaceChildren(...parts)
    const active = this.root.getRootNode().activeElement
    for (const [input, value] of [[node.low, chart.range?.[0]], [node.high, chart.range?.[1]]]) {
      if (input !== active) input.value = value ?? ''
    }
  }

  // The bins of the range that is in force.
  bins(chart) {
    if (!chart.range) return null
    const [low, high] = chart.range
    const n = chart.pool.length
    const step = (chart.edges[n] - chart.edges[0]) / n
    const bin = (value) => Math.min(n - 1, Math.max(0, (value - chart.edges[0]) / step))
    return [low == null ? 0 : Math.round(bin(low)), high == null ? n - 1 : Math.max(0, Math.round(bin(high)) - (bin(high) < n - 1 ? 1 : 0))]
  }

  chart(name) { return this.state.charts.find((chart) => chart.name === name) }

  listen(name, node) {
    const {brush} = node
    let start = null
    const bin = (event) => {
      const box = brush.getBoundingClientRect()
      const n = this.chart(name).pool.length
      return Math.min(n - 1, Math.max(0, Math.floor((n * (event.clientX - box.left)) / box.width)))
    }
    const show = (event) => {
      const at = bin(event)
      this.open[name] = [Math.min(start, at), Math.max(start, at)]
      node.paint(this.chart(name))
    }
    brush.onpointerdown = (event) => {
      if (event.button) return
      brush.setPointerCapture(event.pointerId)
      start = bin(event)
      show(event)
    }
    brush.onpointermove = (event) => { if (start !== null) show(event) }
    brush.onpointerup = (event) => {
      if (start === null) return
      show(event)
      start = null
      this.choose(name)
    }
    brush.onpointercancel = () => { start = null; delete this.open[name]; node.paint(this.chart(name)) }
    brush.onkeydown = (event) => this.onKey(event, name, node)
  }

  onKey(event, name, node) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key]
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return
    event.preventDefault()
    event.stopPropagation()  // the arrows mean something else on the card
    const chart = this.chart(name)
    const last = chart.pool.length - 1
    let [first, end] = this.open[name] ?? this.bins(chart) ?? [Math.round(last / 2), Math.round(last / 2)]
    if (event.shiftKey) end = Math.min(last, Math.max(first, end + step))
    else if (first + step >= 0 && end + step <= last) { first += step; end += step }
    this.open[name] = [first, end]
    node.paint(chart)
    clearTimeout(this.waiting)
    this.waiting = setTimeout(() => this.choose(name), 300)
  }

  // Ends of the axis are open, so that nothing is lost to rounding.
  choose(name) {
    const chart = this.chart(name)
    const range = this.open[name]
    if (!chart || !range) return
    delete this.open[name]
    const low = range[0] === 0 ? null : chart.edges[range[0]]
    const high = range[1] === chart.pool.length - 1 ? null : chart.edges[range[1] + 1]
    this.tell({type: 'range', name, low, high})
  }

  typed(name) {
    const node = this.nodes.get(name)
    const value = (input) => (input.value === '' ? null : Number(input.value))
    this.tell({type: 'range', name, low: value(node.low), high: value(node.high)})
  }

  // ---- bars ----------------------------------------------------------------------------------------

  makeBars(name) {
    const list = element('div', {class: 'bars', role: 'group', 'aria-label': `Values of ${name}`})
    const node = {...this.frame(name, list), list}
    node.paint = (chart) => this.paintBars(node, chart)
    return node
  }

  paintBars({list}, chart) {
    const most = Math.max(1, ...chart.pool)
    const scrolled = list.scrollTop
    this.replace(list, chart.labels.map((label, place) => {
      const counts = `${number(chart.pool[place])} items, ${number(chart.selected[place])} selected, ${number(chart.wanted[place])} labelled as wanted`
      const strip = (kind, count) => {
        const bar = element('i', {class: kind})
        bar.style.width = `${height(count, most)}%`
        return bar
      }
      return element('button', {
        type: 'button', title: `${label}: ${counts}`, 'aria-label': `${label}: ${counts}`, 'aria-pressed': String(chart.places.includes(place)),
        onclick: () => this.tell({type: 'bar', name: chart.name, place}),
      }, element('span', {class: 'label', text: label}),
      element('span', {class: 'strip'}, strip('of-pool', chart.pool[place]), strip('of-selection', chart.selected[place]),
        strip('of-wanted', chart.wanted[place])),
      element('span', {class: 'count', text: number(chart.pool[place])}))
    }))
    list.style.setProperty('--wanted', chart.colour || 'transparent')
    list.scrollTop = scrolled
  }

  fillColumns(panel) {
    const {choices, chosen, most} = this.state
    panel.replaceChildren(
      element('span', {class: 'quiet', text: `At most ${most} charts`}),
      ...choices.map((name) => {
        const box = element('input', {type: 'checkbox', onchange: () => {
          const names = [...panel.querySelectorAll('input')].filter((one) => one.checked).map((one) => one.name)
          if (names.length > most) { box.checked = false; return }
          this.tell({type: 'choose', names})
        }, name})
        box.checked = chosen.includes(name)
        return element('label', {class: 'row'}, box, name)
      }))
  }
}

export function render({model}) {
  const charts = new Charts(model)
  const paintTheme = () => charts.root.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('msg:custom', (message) => charts.receive(message))
  charts.tell({type: 'hello'})
  return charts.root
}
