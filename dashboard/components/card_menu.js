// The dialog in which the user says what the item card shows: columns, texts, picture, links and curves.

const LOOK_AGAIN = 250 // ms after the last key, in which links are tried

class CardMenu {
  constructor(card) {
    this.card = card
    this.surface = card.surface
    this.tried = 0
    this.problem = element('p', {class: 'card-problem', role: 'alert', 'data-testid': 'card-problem'})
    this.root = element('dialog', {class: 'card-dialog', 'aria-label': 'What the card shows'})
  }

  get row() { return this.surface.current ? this.surface.current.row : 0 }

  open() {
    const {columns, offered, order, suggestions, more} = this.card.settings
    const names = [...columns, ...offered.filter((name) => !columns.includes(name))]
    this.problem.textContent = ''
    this.unusual = element('input', {type: 'checkbox', checked: order === 'unusual'})
    this.hints = element('input', {type: 'checkbox', checked: suggestions})
    this.columns = this.boxes('Columns', names, columns)
    const parts = more ? [this.textPart(more), this.picturePart(more), this.linkPart(more), this.curvePart(more)] : []
    this.root.replaceChildren(element('h3', {text: 'What the card shows'}),
      element('div', {class: 'card-parts', tabindex: '0', role: 'group', 'aria-label': 'Parts of the card'},
        element('label', {class: 'choice'}, this.unusual, element('span', {text: 'most unusual values first'})),
        element('label', {class: 'choice'}, this.hints, element('span', {text: 'suggestions of the model'})),
        this.columns, ...parts),
      this.problem,
      element('div', {class: 'dialog-buttons'},
        element('button', {type: 'button', class: 'primary', text: 'Show', onclick: () => this.save()}),
        element('button', {type: 'button', text: 'Cancel', onclick: () => this.root.close()})))
    this.root.showModal()
  }

  // ---- parts ----------------------------------------------------------------------------------

  boxes(label, names, chosen) {
    return element('div', {class: 'columns', role: 'group', 'aria-label': label}, ...names.map((name) => element('label', {class: 'choice'},
      element('input', {type: 'checkbox', value: name, checked: chosen.includes(name)}), element('span', {text: name, title: name}))))
  }

  fold(title, count, ...content) {
    return element('details', {class: 'part', 'data-part': title},
      element('summary', {text: count ? `${title} (${count})` : title}), ...content)
  }

  select(label, options, value, onchange = () => {}) {
    const box = element('select', {'aria-label': label, onchange},
      ...options.map(([key, text]) => element('option', {value: key, text, selected: key === value})))
    return box
  }

  textPart({texts, can}) {
    this.texts = this.boxes('Texts', can.texts, texts)
    return this.fold('Texts', texts.length, can.texts.length ? this.texts : element('p', {class: 'hint', text: 'The table has no texts.'}))
  }

  picturePart({picture, can}) {
    const names = Object.keys(can.pictures)
    const kinds = () => (can.pictures[this.image.value] || []).map((kind) => [kind, {path: 'file', url: 'web address', bytes: 'bytes', array: 'numbers'}[kind]])
    const follow = () => {
      this.kind.replaceChildren(...kinds().map(([key, text]) => element('option', {value: key, text, selected: key === picture.kind})))
      this.kind.disabled = !this.image.value
      adapt()
    }
    const adapt = () => { this.pixels.hidden = this.kind.value !== 'array' }
    this.image = this.select('Picture', [['', 'none'], ...names.map((name) => [name, name])], picture.column, follow)
    this.kind = this.select('The picture is', [], picture.kind, adapt)
    this.shape = element('input', {type: 'text', 'aria-label': 'Shape', placeholder: 'height × width, or empty', value: picture.shape})
    this.palette = this.select('Palette', can.palettes.map((name) => [name, name]), picture.palette)
    this.pixels = element('span', {class: 'row'}, this.shape, this.palette)
    follow()
    return this.fold('Picture', picture.column ? 1 : 0, element('div', {class: 'row'}, this.image, this.kind, this.pixels))
  }

  linkPart({links, can}) {
    this.links = element('div', {class: 'entries'})
    for (const pair of links) this.addLink(...pair)
    const part = this.fold('Links', links.length,
      element('p', {class: 'hint', text: 'An http or https address with columns in braces, such as https://archive.org/object?id={object}.'}),
      this.links, element('button', {type: 'button', text: '+ Link', onclick: () => {
        if (this.links.children.length < can.links) this.addLink('', 'https://').querySelector('input').focus()
      }}))
    part.addEventListener('toggle', () => this.tryLinks())
    return part
  }

  addLink(name, template) {
    const box = (label, value, className) => element('input', {type: 'text', class: className, 'aria-label': label, value, placeholder: label,
      oninput: () => { clearTimeout(this.waiting); this.waiting = setTimeout(() => this.tryLinks(), LOOK_AGAIN) }})
    const entry = element('div', {class: 'entry'}, element('div', {class: 'row'}, box('Name of the link', name, 'short'),
      box('Address of the link', template, 'long'), this.remover('Remove the link', () => entry)),
    element('p', {class: 'preview', role: 'status', 'data-testid': 'link-preview'}))
    this.links.append(entry)
    return entry
  }

  remover(title, entry) {
    return element('button', {type: 'button', text: '×', title, 'aria-label': title, onclick: () => {
      const near = entry().previousElementSibling || entry().nextElementSibling
      const next = near ? near.querySelector('button') : entry().closest('details').querySelector('summary')
      entry().remove()
      next.focus()
    }})
  }

  curvePart({curves, can}) {
    this.curves = element('div', {class: 'entries'})
    const lists = can.lists.map((name) => [name, name])
    const add = (name, against) => {
      const entry = element('div', {class: 'row'}, this.select('Curve', lists, name),
        element('span', {text: 'against'}), this.select('Drawn against', [['', 'the position'], ...lists], against),
        this.remover('Remove the curve', () => entry))
      this.curves.append(entry)
      return entry
    }
    for (const pair of curves) add(...pair)
    return this.fold('Curves', curves.length, ...(lists.length
      ? [this.curves, element('button', {type: 'button', text: '+ Curve', onclick: () => {
        if (this.curves.children.length < can.curves) add(can.lists[0], '').querySelector('select').focus()
      }})] : [element('p', {class: 'hint', text: 'The table has no columns of lists.'})]))
  }

  // ---- trying and saving ----------------------------------------------------------------------

  pairs(entries, selector) {
    return [...entries.children].map((entry) => [...entry.querySelectorAll(selector)].map((box) => box.value))
  }

  chosen(boxes) { return [...boxes.querySelectorAll('input')].filter((box) => box.checked).map((box) => box.value) }

  tryLinks() {
    if (!this.links.children.length) return
    this.tried += 1
    this.surface.tell({type: 'card_try', number: this.tried, row: this.row, links: this.pairs(this.links, 'input')})
  }

  previewed({number, previews}) {
    if (number !== this.tried) return
    previews.forEach(({link, text}, place) => {
      const line = this.links.children[place]?.querySelector('.preview')
      if (line) line.replaceChildren(link ? this.card.link(link, link) : text)
    })
  }

  // What is different from before; what was not touched is not sent, so that it stays as it is.
  changes() {
    const {columns, more} = this.card.settings
    const changes = {order: this.unusual.checked ? 'unusual' : 'table', suggestions: this.hints.checked}
    const differ = (one, other) => JSON.stringify(one) !== JSON.stringify(other)
    const put = (name, value, before) => { if (differ(value, before)) changes[name] = value }
    put('columns', this.chosen(this.columns), columns)
    if (!more) return changes
    const texts = this.chosen(this.texts)
    if (differ([...texts].sort(), [...more.texts].sort())) changes.texts = texts
    put('picture', {column: this.image.value, kind: this.kind.value, shape: this.shape.value.trim(), palette: this.palette.value}, more.picture)
    put('links', this.pairs(this.links, 'input'), more.links)
    put('curves', this.pairs(this.curves, 'select'), more.curves)
    return changes
  }

  save() {
    this.problem.textContent = ''
    this.surface.tell({type: 'card', row: this.row, changes: this.changes()})
  }

  // What the server says of the changes: empty when they are made.
  answered({problem}) {
    this.problem.textContent = sentence(problem)
    if (!problem) this.root.close()
  }
}
