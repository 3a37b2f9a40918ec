// Places in a row or column with handles between them: dragged, or moved with the arrow keys.

const SMALLEST = 6 // per cent
const STEP = 2

class Split {
  constructor(model) {
    this.model = model
    this.isRow = model.axis === 'row'
    this.sizes = [...model.sizes]
    this.handles = []
    this.panes = model.get_child('parts').map((part) => element('div', {class: 'pane'}, part))
    this.root = element('div', {class: `split ${model.axis}`})
    this.panes.forEach((pane, i) => {
      if (i) this.root.append(this.handle(i - 1))
      this.root.append(pane)
    })
    this.paint()
  }

  handle(i) {
    const names = this.model.names
    const handle = element('div', {class: 'handle', role: 'separator', tabindex: '0', 'aria-valuemin': SMALLEST,
      'aria-orientation': this.isRow ? 'vertical' : 'horizontal', title: 'Drag, or use the arrow keys; double click: equal sizes',
      'aria-label': `Size of ${names[i]} against ${names[i + 1]}`})
    handle.addEventListener('pointerdown', (event) => this.drag(event, handle, i))
    handle.addEventListener('dblclick', () => { this.set(i, (this.sizes[i] + this.sizes[i + 1]) / 2); this.tell() })
    handle.addEventListener('keydown', (event) => this.onKey(event, i))
    this.handles.push(handle)
    return handle
  }

  // The share of the pane before handle i, whose neighbour gives or takes the difference.
  set(i, share) {
    const both = this.sizes[i] + this.sizes[i + 1]
    const least = Math.min(SMALLEST, both / 2)
    this.sizes[i] = Math.min(Math.max(share, least), both - least)
    this.sizes[i + 1] = both - this.sizes[i]
    this.paint()
  }

  drag(event, handle, i) {
    event.preventDefault()
    handle.setPointerCapture(event.pointerId)
    const length = this.isRow ? this.root.clientWidth : this.root.clientHeight
    const from = this.isRow ? event.clientX : event.clientY
    const before = this.sizes[i]
    const move = (e) => this.set(i, before + 100 * ((this.isRow ? e.clientX : e.clientY) - from) / length)
    const end = () => {
      handle.removeEventListener('pointermove', move)
      handle.removeEventListener('pointerup', end)
      handle.removeEventListener('pointercancel', end)
      if (this.sizes[i] !== before) this.tell()
    }
    handle.addEventListener('pointermove', move)
    handle.addEventListener('pointerup', end)
    handle.addEventListener('pointercancel', end)
  }

  onKey(event, i) {
    const [back, on] = this.isRow ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown']
    const to = {[back]: this.sizes[i] - STEP, [on]: this.sizes[i] + STEP, Home: 0, End: 100}[event.key]
    if (event.key.startsWith('Arrow')) event.stopPropagation() // the card's keys are others'
    if (to === undefined) return
    event.preventDefault()
    event.stopPropagation()
    this.set(i, to)
    this.tell()
  }

  paint() {
    this.panes.forEach((pane, i) => { pane.style.flex = `${this.sizes[i]} 1 0` })
    this.handles.forEach((handle, i) => {
      handle.setAttribute('aria-valuenow', Math.round(this.sizes[i]))
      handle.setAttribute('aria-valuemax', Math.round(this.sizes[i] + this.sizes[i + 1] - SMALLEST))
    })
  }

  // Focus mode shows the pane with the card alone.
  focusOn(isOn) {
    const card = this.model.card
    this.root.classList.toggle('alone', isOn && card >= 0)
    this.panes.forEach((pane, i) => pane.classList.toggle('away', isOn && card >= 0 && i !== card))
  }

  tell() { this.model.send_msg({type: 'sizes', sizes: this.sizes}) }
}

export function render({model}) {
  const split = new Split(model)
  const onFocus = (event) => split.focusOn(event.detail.on)
  window.addEventListener('rareloop:focus', onFocus)
  model.on('remove', () => window.removeEventListener('rareloop:focus', onFocus))
  split.focusOn(document.documentElement.dataset.rareloopFocus === 'on')
  return split.root
}
