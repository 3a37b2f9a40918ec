// Small plots as inline SVG: where a value lies among those of the pool, and curves.

const SVG = 'http://www.w3.org/2000/svg'
const svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

const percent = (share) => {
  const value = 100 * share
  if (value > 99.9) return 'more than 99.9'
  if (value < 0.1) return 'less than 0.1'
  return value < 1 || value > 99 ? value.toFixed(1) : String(Math.round(value))
}

// The histogram of a column with the mark of one value; triangles where a tail is cut off.
const stripPlot = (plot, field) => {
  const words = `above ${percent(field.place)} % of the pool` +
    (field.beyond ? ', beyond what is drawn' : '') + ` (drawn from ${plot.low} to ${plot.high})`
  const n = plot.bins.length
  const bars = plot.bins.map((height, i) => height
    ? `M${(100 * i) / n} 20V${20 - Math.max(1.5, 18 * height)}H${(100 * (i + 1)) / n}V20Z` : '').join('')
  const drawing = svg('svg', {viewBox: '0 0 100 20', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    svg('path', {d: bars, class: 'bars'}),
    svg('path', {d: `M${100 * field.at} 0V20`, class: 'mark', 'vector-effect': 'non-scaling-stroke'}))
  return element('span', {class: 'strip', role: 'img', 'aria-label': words, title: words}, drawing,
    plot.cut[0] ? element('i', {class: field.beyond < 0 ? 'tail left here' : 'tail left', text: '◂'}) : null,
    plot.cut[1] ? element('i', {class: field.beyond > 0 ? 'tail right here' : 'tail right', text: '▸'}) : null)
}

// About `wanted` round numbers from low to high.
const ticks = (low, high, wanted) => {
  const span = high - low
  if (!(span > 0)) return [low]
  const rough = span / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((f) => f * power).find((candidate) => candidate >= rough)
  const found = []
  for (let i = Math.ceil(low / step); i * step <= high + 1e-9 * span && found.length < 12; i++) found.push(i * step)
  return found
}

const extent = (values) => {
  let low = Infinity
  let high = -Infinity
  for (const value of values) if (value != null) { low = Math.min(low, value); high = Math.max(high, value) }
  return [low, high]
}

// A curve with axes; what the pointer is on is read out above it. Missing values are gaps.
const curvePlot = ({name, against, x, y, n}) => {
  const [left, right] = extent(x)
  const [bottom, top] = extent(y)
  const along = against || 'position'
  if (!(top >= bottom)) return element('p', {class: 'missing', text: `${name} has no values.`})
  const px = (value) => (right > left ? (1000 * (value - left)) / (right - left) : 500)
  const py = (value) => (top > bottom ? 100 - (100 * (value - bottom)) / (top - bottom) : 50)
  let path = ''
  let pen = false
  x.forEach((value, i) => {
    if (y[i] == null) { pen = false; return }
    const alone = !pen && (i + 1 >= y.length || y[i + 1] == null)
    path += `${pen ? 'L' : 'M'}${px(value).toFixed(1)} ${py(y[i]).toFixed(2)}${alone ? 'h2' : ''}`
    pen = true
  })
  const cursor = svg('path', {class: 'cursor', 'vector-effect': 'non-scaling-stroke'})
  const drawing = svg('svg', {viewBox: '0 0 1000 100', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    svg('path', {d: path, class: 'line', 'vector-effect': 'non-scaling-stroke'}), cursor)
  const readout = element('output', {class: 'readout'})
  const words = `${name} against ${along}: ${n.toLocaleString('en')} points, ${significant(bottom, 4)} to ${significant(top, 4)}`
  const frame = element('div', {class: 'frame', role: 'img', 'aria-label': words}, drawing)
  frame.addEventListener('pointermove', (event) => {
    const box = frame.getBoundingClientRect()
    const at = left + ((event.clientX - box.left) / box.width) * (right - left)
    let best = 0
    x.forEach((value, i) => { if (Math.abs(value - at) < Math.abs(x[best] - at)) best = i })
    cursor.setAttribute('d', `M${px(x[best])} 0V100`)
    readout.textContent = `${along} ${significant(x[best], 6)} · ${y[best] == null ? 'no value' : significant(y[best], 5)}`
  })
  frame.addEventListener('pointerleave', () => { cursor.setAttribute('d', ''); readout.textContent = '' })
  const label = (value, style, cls) => element('span', {class: `tick ${cls}`, style, text: significant(value, 4), 'aria-hidden': 'true'})
  return element('div', {class: 'curve'},
    element('h3', {}, `${name}${against ? ` against ${against}` : ''} `, readout),
    element('div', {class: 'plot'}, frame,
      ...ticks(bottom, top, 3).map((value) => label(value, `top: ${py(value)}%`, 'of-y')),
      ...ticks(left, right, 5).map((value) => label(value, `left: ${px(value) / 10}%`, 'of-x'))))
}
