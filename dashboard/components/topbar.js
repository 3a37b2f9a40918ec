// Notes of the top bar: work under way with its Cancel buttons, the moment one is back in, and a break.

const line = (text, attributes = {}) => element('div', {text, ...attributes})

class TopBar {
  constructor(model) {
    this.model = model
    this.work = []
    this.rows = new Map() // id of a job → its elements, so that a button keeps the focus while the bar moves
    this.panel = element('div', {class: 'panel', popover: 'auto', role: 'dialog', 'aria-label': 'Work under way', tabindex: '-1',
      onkeydown: (event) => event.stopPropagation()})
    this.badge = element('button', {type: 'button', class: 'working', 'data-testid': 'working', 'aria-haspopup': 'dialog',
      'aria-expanded': 'false', title: 'What is being computed', onclick: () => this.toggle()})
    this.badge.addEventListener('pointerdown', () => { this.wasOpen = this.panel.matches(':popover-open') })
    this.panel.addEventListener('toggle', (event) => this.badge.setAttribute('aria-expanded', String(event.newState === 'open')))
    this.past = this.note('past', 'Back to now', 'now')
    this.pause = this.note('break', 'Dismiss', 'dismiss')
    this.root = element('div', {class: 'topbar'}, this.past.box, this.pause.box, this.badge, this.panel)
    this.receive({work: [], past: '', pause: ''})
  }

  note(name, label, type) {
    const text = element('span', {role: 'status'})
    const box = element('div', {class: `note ${name}`, hidden: true, 'data-testid': `${name}-note`}, text,
      element('button', {type: 'button', text: label, onclick: (event) => { event.currentTarget.blur(); this.model.send_msg({type}) }}))
    return {box, text}
  }

  toggle() {
    if (this.wasOpen || this.panel.matches(':popover-open')) { this.wasOpen = false; this.panel.hidePopover(); return }
    this.panel.showPopover()
    const at = this.badge.getBoundingClientRect()
    this.panel.style.top = `${at.bottom + 6}px`
    this.panel.style.left = `${Math.max(8, Math.min(at.left, window.innerWidth - this.panel.offsetWidth - 8))}px`
    this.panel.querySelector('button')?.focus()
  }

  receive({work, past, pause}) {
    for (const [note, text] of [[this.past, past], [this.pause, pause]]) {
      note.box.hidden = !text
      if (note.text.textContent !== text) note.text.textContent = text
      note.box.title = text
    }
    window.dispatchEvent(new CustomEvent('rareloop:notes', {detail: {on: Boolean(past || pause)}}))
    this.badge.hidden = !work.length
    this.badge.classList.toggle('patient', work.every((one) => one.patient))
    this.badge.textContent = work.length > 1 ? `Working · ${work.length}` : 'Working'
    this.paintWork(work)
  }

  paintWork(work) {
    for (const [id, row] of this.rows) {
      if (!work.some((one) => one.id === id)) { row.box.remove(); this.rows.delete(id) }
    }
    for (const one of work) {
      const row = this.rows.get(one.id) || this.row(one)
      row.text.textContent = one.text
      if (!one.cancellable) this.withoutCancel(row)
      row.bar.classList.toggle('endless', one.share === null)
      if (one.share === null) continue
      const percent = Math.round(100 * one.share)
      row.bar.setAttribute('aria-valuenow', percent)
      row.fill.style.width = `${percent}%`
    }
    if (!work.length && this.panel.matches(':popover-open')) this.panel.hidePopover()
  }

  // The focus stays where the work is.
  withoutCancel(row) {
    const hadFocus = row.cancel?.matches(':focus')
    row.cancel?.remove()
    row.cancel = null
    if (hadFocus) (this.panel.querySelector('button') || this.panel).focus()
  }

  row(one) {
    const fill = element('div', {class: 'fill'})
    const bar = element('div', {class: 'meter', role: 'progressbar', 'aria-label': one.title,
      'aria-valuemin': '0', 'aria-valuemax': '100'}, fill)
    const text = line('', {class: 'doing'})
    const cancel = one.cancellable ? element('button', {type: 'button', text: 'Cancel', 'aria-label': `Cancel ${one.title}`,
      onclick: () => this.model.send_msg({type: 'cancel', id: one.id})}) : null
    const box = element('div', {class: 'job', 'data-testid': 'job'}, line(one.title, {class: 'title'}), bar, text, cancel)
    this.panel.append(box)
    const row = {box, bar, fill, text, cancel}
    this.rows.set(one.id, row)
    return row
  }
}

export function render({model}) {
  const bar = new TopBar(model)
  model.on('msg:custom', (message) => bar.receive(message))
  model.send_msg({type: 'hello'})
  return bar.root
}
