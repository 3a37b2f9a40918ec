// The tabs of one place: in a single row. What does not fit stands in a menu at its end; what is opened from there
// takes the row's last place, so that the others stay where they are.

class Tabs {
  constructor(model, panel) {
    this.model = model
    this.panel = panel
    this.buttons = new Map(model.views.map((view) => [view.name, this.tab(view)]))
    this.strip = element('div', {class: 'strip', role: 'tablist', 'aria-label': 'Views', onkeydown: (event) => this.onKey(event)},
      ...this.buttons.values())
    this.more = menuButton('More ▾', {class: 'more', 'aria-label': 'More views'}, () => this.entries())
    this.more.addEventListener('keydown', (event) => this.onKey(event))
    this.root = element('div', {class: 'tabs'}, this.strip, this.more)
    panel.setAttribute('role', 'tabpanel')
    panel.id = 'panel'
    this.show(model.views[0].name)
    this.observer = new ResizeObserver(() => this.arrange())
    this.observer.observe(this.root)
  }

  tab(view) {
    return element('button', {type: 'button', role: 'tab', id: `tab-${view.name}`, class: 'tab', 'aria-controls': 'panel', text: view.title,
      'data-title': view.title, onclick: () => this.open(view.name)})
  }

  // What is seen is the tab at once; its view follows as soon as the server has made it.
  open(name) {
    if (name === this.active) return
    this.asked = name
    this.show(name)
    this.wait()
    this.model.send_msg({type: 'open', view: name})
  }

  // What the server shows, perhaps not the newest tab of a hand that is quicker.
  opened(name) {
    if (this.asked && name !== this.asked) return
    this.asked = ''
    this.show(name)
  }

  // The view of the tab before is not seen under the new tab's name.
  wait() {
    this.panel.classList.add('waiting')
    this.filled?.disconnect()
    this.filled = new MutationObserver(() => { this.filled.disconnect(); this.panel.classList.remove('waiting') })
    this.filled.observe(this.panel.firstElementChild.shadowRoot, {childList: true})
  }

  show(name) {
    this.active = name
    for (const [other, button] of this.buttons) {
      button.setAttribute('aria-selected', String(other === name))
      button.tabIndex = other === name ? 0 : -1
    }
    this.panel.setAttribute('aria-labelledby', `tab-${name}`)
    this.arrange()
  }

  // Which tabs fit: the first ones, and the open one in any case.
  arrange() {
    const all = [...this.buttons.keys()]
    const space = this.root.clientWidth
    if (!space) return
    const width = (name) => this.buttons.get(name).offsetWidth
    const total = (names) => names.reduce((sum, name) => sum + width(name), 0)
    this.shown = all
    if (total(all) > space) {
      this.root.classList.add('full')
      const room = space - this.more.offsetWidth - width(this.active)
      const others = all.filter((name) => name !== this.active)
      let n = 0
      while (n < others.length && total(others.slice(0, n + 1)) <= room) n += 1
      const first = new Set([...others.slice(0, n), this.active])
      this.shown = all.filter((name) => first.has(name))
    }
    this.root.classList.toggle('full', this.shown.length < all.length)
    this.strip.style.width = `${total(this.shown)}px`
    for (const [name, button] of this.buttons) button.style.order = this.shown.includes(name) ? 0 : 1
    this.strip.scrollLeft = 0
  }

  entries() {
    return this.model.views.filter((view) => !this.shown.includes(view.name)).map((view) => ({label: view.title,
      run: () => { this.open(view.name); this.buttons.get(view.name).focus() }}))
  }

  // Arrows go through what is seen of the row, and on to the menu; Enter or the space bar opens.
  onKey(event) {
    const stops = [...this.shown.map((name) => this.buttons.get(name)), ...(this.shown.length < this.buttons.size ? [this.more.firstChild] : [])]
    const at = stops.indexOf(event.composedPath()[0])
    const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: stops.length - 1}[event.key]
    if (to === undefined || at < 0) return
    event.preventDefault()
    event.stopPropagation()
    stops.at(to % stops.length).focus()
  }
}
