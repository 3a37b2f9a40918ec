// The play button of the time machine: the browser keeps the time, and asks for one place of the log after the other.

const WHOLE = 20_000 // ms from the first entry to the last, at speed 1
const FRAME = 125 // ms
const STEPS = 10 // of which the log is shown where the user wants little motion
const SPEEDS = [0.5, 1, 2, 4]

class Player {
  constructor(model) {
    this.model = model
    this.state = {at: 0, end: 0, past: false, dark: false}
    this.timer = null
    this.button = element('button', {type: 'button', 'data-testid': 'play', onclick: () => this.toggle()})
    this.speed = element('select', {'aria-label': 'Speed', title: 'How fast the log is played', onchange: () => this.begin(this.at)},
      ...SPEEDS.map((speed) => element('option', {value: String(speed), text: `${speed}×`, selected: speed === 1})))
    this.root = element('div', {class: 'player', role: 'group', 'aria-label': 'Play the log', onkeydown: (event) => this.onKey(event)},
      this.button, this.speed)
    this.paint()
  }

  get isPlaying() { return this.timer !== null }
  get rate() { return Number(this.speed.value) / WHOLE }
  get isCalm() { return matchMedia('(prefers-reduced-motion: reduce)').matches }

  toggle() {
    if (this.isPlaying) this.pause()
    else this.play(this.state.past ? this.state.at : 0)
  }

  play(at) {
    if (!this.state.end) return
    this.timer = 0
    this.begin(at)
    this.paint()
  }

  // Count the time anew from a place of the log.
  begin(at) {
    if (!this.isPlaying) return
    clearInterval(this.timer)
    Object.assign(this, {at, from: at, since: performance.now()})
    this.go(at)
    this.timer = setInterval(() => this.tick(), this.isCalm ? WHOLE / STEPS / Number(this.speed.value) : FRAME)
  }

  tick() {
    const {end} = this.state
    const share = (performance.now() - this.since) * this.rate
    // In large steps each one is as long as the others, however late the clock is.
    this.at = Math.min(end, this.isCalm ? this.at + Math.max(1, Math.ceil(end / STEPS)) : Math.round(this.from + share * end))
    this.go(this.at)
    if (this.at >= end) this.pause()
  }

  go(at) {
    if (at === this.sent) return
    this.sent = at
    this.model.send_msg({type: 'go', n: at})
  }

  pause() {
    clearInterval(this.timer)
    this.timer = null
    this.sent = null
    this.paint()
  }

  onKey(event) {
    if (event.key !== 'Escape' || !this.isPlaying) return
    event.preventDefault()
    event.stopPropagation()
    this.pause()
  }

  receive(message) {
    if (message.type === 'pause') {
      if (this.isPlaying) this.pause()
      return
    }
    this.state = message
    this.paint()
  }

  paint() {
    const words = this.isPlaying ? 'Pause' : 'Play'
    this.root.classList.toggle('dark', this.state.dark)
    this.button.textContent = this.isPlaying ? '❚❚' : '▶'
    this.button.title = this.isPlaying ? 'Pause (Esc)' : `Play the log${this.state.past ? ' from here' : ''}`
    this.button.setAttribute('aria-label', words)
    this.button.disabled = !this.state.end
  }
}

export function render({model}) {
  const player = new Player(model)
  model.on('msg:custom', (message) => player.receive(message))
  model.on('remove', () => player.pause())
  model.send_msg({type: 'hello'})
  return player.root
}
