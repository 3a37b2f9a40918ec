// The table of items: one page of rows, sorting and paging by the server, menus of what can be done with them.

class Listing {
  constructor(model) {
    this.model = model
    this.state = {columns: [], rows: [], total: 0, page: 0, n_pages: 1, sort: {}, views: [], k: 100, n_selected: 0}
    this.note = element('div', {class: 'note', role: 'status', 'data-testid': 'table-note'})
    this.where = element('span', {'data-testid': 'table-page'})
    this.previous = this.button('‹', 'Previous page', () => this.turn(this.state.page - 1))
    this.next = this.button('›', 'Next page', () => this.turn(this.state.page + 1))
    this.clear = this.button('Clear', 'List all items, and select none', () => { this.clear.blur(); this.tell({type: 'clear'}) }, {'data-testid': 'table-clear', 'aria-label': 'Clear: list all items, and select none'})
    this.similar = popup('Similar', 'Items like others', (panel) => this.fillSimilar(panel))
    this.export = popup('Export', 'Export exactly this view', (panel) => this.fillExport(panel))
    this.views = popup('Views', 'Saved views', (panel) => this.fillViews(panel))
    this.head = element('thead')
    this.body = element('tbody', {onkeydown: (event) => this.onKey(event)})
    const table = element('table', {'aria-label': 'Items'}, this.head, this.body)
    this.scroll = element('div', {class: 'scroll'}, table)
    const menus = [this.similar, this.export, this.views]
    this.root = element('div', {class: 'host'},
      element('div', {class: 'bar'}, this.note,
        element('div', {class: 'pager'}, this.previous, this.where, this.next),
        this.clear, ...menus.map((one) => one.button)),
      this.scroll, ...menus.map((one) => one.panel))
  }

  button(text, title, onclick, attributes = {}) {
    return element('button', {type: 'button', text, title, 'aria-label': title, onclick, ...attributes})
  }

  tell(message) { this.model.send_msg(message) }

  turn(page, focus = false) {
    if (page < 0 || page >= this.state.n_pages) return
    this.focusFirst = focus
    this.tell({type: 'page', page})
  }

  receive(message) {
    const isNewPage = message.rows && (message.page !== this.state.page || message.version !== this.state.version)
    const hasNewViews = message.views && message.views.join('\n') !== this.state.views.join('\n')
    Object.assign(this.state, message)
    if (hasNewViews && this.views.panel.matches(':popover-open')) this.fillViews(this.views.panel)
    if (message.rows) this.paintRows(isNewPage)
    this.paintHead()
    this.paintCurrent()
    this.paintBar()
  }

  paintBar() {
    const {note, page, n_pages: pages} = this.state
    this.note.replaceChildren(element('b', {text: note?.items ?? ''}), note?.more ?? '')
    this.note.title = this.note.textContent
    this.where.textContent = `page ${(page + 1).toLocaleString('en')} of ${pages.toLocaleString('en')}`
    this.clear.disabled = !this.state.can_clear
    this.previous.disabled = page <= 0
    this.next.disabled = page >= pages - 1
  }

  paintHead() {
    const {columns, sort} = this.state
    if (this.headOf === JSON.stringify([columns, sort])) return
    const focused = this.root.getRootNode().activeElement?.dataset?.key
    this.headOf = JSON.stringify([columns, sort])
    this.head.replaceChildren(element('tr', {}, ...columns.map(({key, title, number}) => {
      const state = sort.key === key ? (sort.ascending ? 'ascending' : 'descending') : 'none'
      const sign = {ascending: ' ▲', descending: ' ▼', none: ''}[state]
      const button = this.button(title + sign, `Sort by ${title}`, () => this.tell({type: 'sort', key}), {'data-key': key})
      return element('th', {scope: 'col', 'aria-sort': state, class: number ? 'number' : ''}, button)
    })))
    if (focused) [...this.head.querySelectorAll('button')].find((node) => node.dataset.key === focused)?.focus()
  }

  paintRows(isNewPage) {
    const {rows, columns} = this.state
    const active = this.root.getRootNode().activeElement
    const hadFocus = active && this.body.contains(active) ? [...this.body.children].indexOf(active) : -1
    this.body.replaceChildren(...rows.map(({row, cells}) => element('tr', {
      tabindex: '-1', 'data-row': row, onmousedown: (event) => event.preventDefault(), onclick: () => this.open(row),
    }, ...cells.map((text, place) => element('td', {text, title: text, class: columns[place]?.number ? 'number' : ''})))))
    if (this.body.firstChild) this.body.firstChild.tabIndex = 0
    if (isNewPage) this.scroll.scrollTop = 0
    if (this.focusFirst) this.focus(0)
    else if (hadFocus >= 0) this.focus(Math.min(hadFocus, rows.length - 1))
    this.focusFirst = false
  }

  paintCurrent() {
    for (const line of this.body.children) {
      if (line.dataset.row === String(this.state.current)) line.setAttribute('aria-current', 'true')
      else line.removeAttribute('aria-current')
    }
  }

  open(row) { this.tell({type: 'open', row}) }

  focus(place) {
    const line = this.body.children[place]
    if (!line) return
    for (const other of this.body.children) other.tabIndex = other === line ? 0 : -1
    line.focus()
  }

  onKey(event) {
    const lines = [...this.body.children]
    const place = lines.indexOf(event.composedPath().find((node) => node.tagName === 'TR'))
    if (place < 0 || event.ctrlKey || event.altKey || event.metaKey) return
    const steps = {
      ArrowDown: () => this.focus(Math.min(place + 1, lines.length - 1)),
      ArrowUp: () => this.focus(Math.max(place - 1, 0)),
      Home: () => this.focus(0),
      End: () => this.focus(lines.length - 1),
      PageDown: () => this.turn(this.state.page + 1, true),
      PageUp: () => this.turn(this.state.page - 1, true),
      Enter: () => this.open(Number(lines[place].dataset.row)),
    }
    if (!steps[event.key]) return
    event.preventDefault()
    event.stopPropagation()  // these keys mean something else on the card
    steps[event.key]()
  }

  // ---- menus ---------------------------------------------------------------------------------------

  fillSimilar(panel) {
    const number = element('input', {type: 'number', min: 10, max: 1000, step: 10, value: this.state.k, 'aria-label': 'How many'})
    const within = element('input', {type: 'number', min: 0, step: 'any', value: this.state.within ?? '', 'aria-label': 'At most this far',
      title: 'A distance as the table shows it; then all items so near are taken, at most 1,000'})
    const ask = (of) => {
      this.similar.close()
      this.tell({type: 'similar', of, k: Number(number.value) || 100, within: within.value === '' ? null : Number(within.value)})
    }
    panel.replaceChildren(
      element('label', {class: 'row'}, 'How many', number),
      element('label', {class: 'row'}, 'At most this far', within),
      this.button('Similar to this item', 'The items most like the one on the card (s)', () => ask('item'), {'aria-label': null}),
      this.button('Similar to the selection', 'The items nearest to the mean of the selection', () => ask('selection'),
        {disabled: !this.state.n_selected, 'aria-label': null}),
      this.button('The cluster of this item', 'The items of the cluster in which the one on the card lies', () => ask('cluster'),
        {'aria-label': null}))
  }

  fillExport(panel) {
    const ask = (format) => { this.export.close(); this.tell({type: 'export', format}) }
    panel.replaceChildren(
      element('span', {class: 'quiet', text: `All ${this.state.total.toLocaleString('en')} rows in this order, with these columns.`}),
      this.button('CSV', 'Export exactly this view as CSV', () => ask('csv')),
      this.button('Parquet', 'Export exactly this view as Parquet', () => ask('parquet')),
      this.exported ?? '')
  }

  showExport({name, address, text}) {
    this.exported = element('span', {role: 'status', 'data-testid': 'view-exported'}, `${text} `,
      element('a', {href: address, download: name, text: 'Download'}))
    this.export.button.click()
  }

  fillViews(panel) {
    const ask = (message) => { this.views.close(); this.tell({type: 'view', ...message}) }
    const name = element('input', {'aria-label': 'Name of the view', placeholder: 'Name for what is shown now', maxlength: 60})
    const save = () => { if (name.value.trim()) ask({do: 'save', name: name.value.trim()}) }
    name.onkeydown = (event) => { if (event.key === 'Enter') save() }
    const line = (view) => element('div', {class: 'row'},
      this.button(view, `Open the view ${view}`, () => ask({do: 'open', name: view}), {class: 'name'}),
      this.button('Rename', `Rename ${view}`, (event) => this.rename(event.target.parentNode, view, ask)),
      this.button('Copy link', `Copy the link of ${view}`, (event) => this.copyLink(event.target, view)),
      this.button('Delete', `Delete ${view}`, () => ask({do: 'delete', name: view})))
    panel.replaceChildren(
      element('div', {class: 'row'}, name, this.button('Save', 'Save this view', save, {disabled: !this.state.can_save})),
      this.state.can_save ? '' : element('span', {class: 'quiet', text: 'Rows selected by hand cannot be saved as a view: search or filter first.'}),
      ...this.state.views.map(line))
  }

  rename(row, view, ask) {
    const name = element('input', {'aria-label': `New name of ${view}`, value: view, maxlength: 60})
    const done = () => { if (name.value.trim()) ask({do: 'rename', name: view, to: name.value.trim()}) }
    name.onkeydown = (event) => { if (event.key === 'Enter') done() }
    row.replaceChildren(name, this.button('Rename', `Give ${view} this name`, done))
    name.focus()
    name.select()
  }

  async copyLink(button, view) {
    const link = `${location.origin}${location.pathname}?view=${encodeURIComponent(view)}`
    try {
      await navigator.clipboard.writeText(link)
      button.textContent = 'Copied'
    } catch {
      button.replaceWith(element('input', {value: link, readonly: true, 'aria-label': `Link of ${view}`}))
    }
  }
}

export function render({model}) {
  const listing = new Listing(model)
  const paintTheme = () => listing.root.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('msg:custom', (message) => {
    if (message.type === 'exported') listing.showExport(message)
    else listing.receive(message)
  })
  listing.tell({type: 'hello'})
  return listing.root
}
