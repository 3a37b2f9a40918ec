// The item card: why the item is asked, what is known of it, and what is near it.

const WHY_IS_OPEN = 'rareloop-why' // remembered by the browser, for all workspaces
const SHORT_TEXT = 700 // characters that are shown before "more"

class Card {
  constructor(surface) {
    this.surface = surface
    this.settings = {columns: [], offered: [], order: 'table', suggestions: true, problems: [], plots: {}}
    this.reason = element('span', {'data-testid': 'reason'})
    this.details = this.whyPart()
    this.body = element('div', {class: 'body', tabindex: '0', role: 'group', 'aria-label': 'Item'})
    this.near = element('div', {class: 'near-by', role: 'group', 'aria-label': 'Nearest items', 'data-testid': 'near'})
    this.nearest = null
    this.tools = element('button', {type: 'button', class: 'card-menu', title: 'What the card shows', text: 'Card …',
      onclick: (event) => { event.currentTarget.blur(); this.menu.open() }})
    this.why = element('div', {class: 'why-line'}, this.details, this.tools)
    this.menu = new CardMenu(this)
    this.enlarged = element('dialog', {class: 'enlarged', 'aria-label': 'Picture'})
  }

  // What all cards have in common has come, or changed.
  configure(settings) { this.settings = settings }

  // Paints a queue entry with the contents of its card; both null: there is no item.
  paint(entry, item) {
    this.paintWhy(entry)
    this.reason.textContent = (entry && entry.reason) || ''
    const parts = item ? [this.problems(item), this.picture(item.image, `Picture of ${item.id}`),
      ...item.parts.map((part) => this.part(part)), ...item.curves.map(curvePlot),
      ...item.texts.map((text) => this.text(text)), this.fields(item), this.links(item)] : []
    this.body.replaceChildren(...parts.filter(Boolean))
    this.body.scrollTop = 0
    this.paintNear(entry)
  }

  toggleWhy() { this.details.open = !this.details.open }

  commands() {
    return {near_back: () => this.stepNear(-1), near_forward: () => this.stepNear(1), enlarge: () => this.enlarge()}
  }

  // ---- why ------------------------------------------------------------------------------------

  whyPart() {
    this.whyFacts = element('div', {class: 'why-facts', tabindex: '0', role: 'group', 'aria-label': 'Why this item'})
    const summary = element('summary', {title: 'Why this item',
      onclick: (event) => { if (event.detail) event.currentTarget.blur() }}, this.reason, element('kbd', {text: 'w'}))
    const part = element('details', {class: 'why', 'data-testid': 'why'}, summary, this.whyFacts)
    try { part.open = localStorage.getItem(WHY_IS_OPEN) === 'yes' } catch { /* closed */ }
    part.addEventListener('toggle', () => {
      try { localStorage.setItem(WHY_IS_OPEN, part.open ? 'yes' : 'no') } catch { /* not remembered */ }
    })
    return part
  }

  paintWhy(entry) {
    const why = entry && entry.why
    if (!why) {
      this.whyFacts.replaceChildren(element('p', {text: entry ? 'No strategy asked for it.' : ''}))
      return
    }
    const drawn = why.probability == null ? null : `drawn with probability ${significant(why.probability)}`
    const said = [`Asked by: ${why.arm}`, why.share == null ? null : `${significant(100 * why.share, 2)} % of the places`,
      entry.round ? `place ${why.rank + 1} of round ${entry.round}` : null,
      why.score == null ? null : `score ${significant(why.score)}`, drawn].filter(Boolean)
    const near = why.neighbours.map((one) => this.neighbour(one))
    const odd = why.unusual.map(([name, deviation]) =>
      `${name}, ${Math.abs(deviation)} robust sd ${deviation < 0 ? 'below' : 'above'} the median`)
    this.whyFacts.replaceChildren(...[
      element('p', {text: said.join(' · '), 'data-testid': 'why-arm'}),
      near.length ? element('div', {class: 'near', role: 'group', 'aria-label': 'Nearest labelled items'},
        element('span', {text: 'Nearest labelled:'}), ...near) : null,
      odd.length ? element('p', {text: `Unusual in: ${odd.join('; ')}`, 'data-testid': 'why-unusual'}) : null].filter(Boolean))
    this.whyFacts.scrollTop = 0
  }

  neighbour({class: name, id, row, distance}) {
    const cls = this.surface.model.classes.find((candidate) => candidate.name === name)
    return element('button', {type: 'button', title: `Open ${id}`, 'data-row': row, disabled: row < 0,
      onclick: (event) => { event.currentTarget.blur(); this.surface.tell({type: 'open', row}) }},
      element('span', {class: 'swatch', 'aria-hidden': 'true', text: cls ? cls.shape : '', style: `--colour: ${cls ? cls.colour : 'inherit'}`}),
      element('span', {class: 'name', text: name || id}), element('span', {class: 'distance', text: significant(distance)}))
  }

  // ---- what is near ---------------------------------------------------------------------------

  // The nearest items have come: of the item on the card, or of one that has gone.
  takeNear(message) {
    this.nearest = message
    this.paintNear(this.surface.current)
  }

  paintNear(entry) {
    const hasHints = entry && entry.why !== null // questions of an audit have none
    const known = hasHints && this.nearest && this.nearest.row === entry.row ? this.nearest : null
    const line = (title, found) => found.length
      ? element('div', {class: 'line'}, element('span', {class: 'of', text: title}), ...found.map((one) => this.neighbour(one))) : null
    this.near.replaceChildren(...(known
      ? [line('Nearest labelled', known.labelled), line('Nearest others', known.unlabelled)] : []).filter(Boolean))
  }

  stepNear(step) {
    const buttons = [...this.near.querySelectorAll('button')]
    const at = buttons.indexOf(this.near.getRootNode().activeElement)
    const next = at < 0 ? (step > 0 ? 0 : buttons.length - 1) : (at + step + buttons.length) % buttons.length
    buttons[next]?.focus()
  }

  // ---- suggestions ----------------------------------------------------------------------------

  // The suggestion as it may be seen: none where the user wants none, or where it is held back by lot.
  suggestion(entry) {
    if (!entry || !entry.suggested || !this.settings.suggestions) return null
    entry.seen = true
    return entry.suggested
  }

  // What is said where a suggestion would be and is not.
  heldBack(entry) {
    return entry.withheld && this.settings.suggestions ? ['Suggestion held back by lot, to measure how much suggestions sway'] : []
  }

  // Whether the suggestion was seen on this entry; null where there was none.
  shown(entry) { return entry.suggested || entry.withheld ? Boolean(entry.seen) : null }

  // ---- parts ----------------------------------------------------------------------------------

  problems(item) {
    const said = [...this.settings.problems, ...item.problems]
    return said.length ? element('div', {class: 'problems', role: 'status', 'data-testid': 'card-problems'},
      ...said.map((text) => element('p', {text}))) : null
  }

  part(part) {
    if (part.kind === 'picture') return this.picture(part.image, part.name || 'Picture')
    if (part.kind === 'series') return curvePlot(part)
    if (part.kind === 'link') return this.links({links: [part]})
    if (part.kind === 'number') return this.fields({fields: [part]}, true)
    return this.text(part)
  }

  picture(address, words) {
    if (!address) return null
    const image = element('img', {alt: words, src: address})
    const button = element('button', {type: 'button', class: 'zoom', title: 'Enlarge (+)', 'aria-label': `Enlarge: ${words}`,
      onclick: (event) => { event.currentTarget.blur(); this.enlarge(image) }}, image)
    image.addEventListener('load', () => image.classList.toggle('tiny', image.naturalWidth < 128))
    const figure = element('figure', {}, button)
    image.addEventListener('error', () => this.sayWhy(address, figure))
    return figure
  }

  async sayWhy(address, figure) {
    const note = element('p', {class: 'missing', 'data-testid': 'no-picture', text: 'The picture could not be loaded.'})
    figure.replaceChildren(note)
    if (/^https?:/.test(address)) { note.textContent = `The picture at ${address.slice(0, 200)} could not be loaded.`; return }
    try {
      const answer = await fetch(address)
      const type = answer.headers.get('Content-Type') || ''
      if (type.startsWith('text/plain')) note.textContent = (await answer.text()).slice(0, 400)
    } catch { /* the server is away, which is said elsewhere */ }
  }

  enlarge(image = this.body.querySelector('figure img')) {
    if (!image || !image.naturalWidth) return
    const large = element('img', {alt: image.alt, src: image.src, class: image.naturalWidth < 512 ? 'tiny' : ''})
    this.enlarged.replaceChildren(large, element('div', {class: 'dialog-buttons'},
      element('span', {text: `${image.naturalWidth} × ${image.naturalHeight} pixels`}),
      element('button', {type: 'button', text: 'Close', onclick: () => this.enlarged.close()})))
    this.enlarged.showModal()
  }

  text({name, value, cut}) {
    const long = value.length > SHORT_TEXT
    const content = element('p', {dir: 'auto', text: long ? `${value.slice(0, SHORT_TEXT)}…` : value})
    const more = long ? element('button', {type: 'button', class: 'more', text: 'more', 'aria-expanded': 'false',
      onclick: (event) => {
        const open = event.currentTarget.getAttribute('aria-expanded') === 'false'
        content.textContent = open ? value : `${value.slice(0, SHORT_TEXT)}…`
        event.currentTarget.setAttribute('aria-expanded', String(open))
        event.currentTarget.textContent = open ? 'less' : 'more'
        event.currentTarget.blur()
      }}) : null
    return element('div', {class: 'text'}, name ? element('h3', {text: name}) : null, content,
      cut ? element('p', {class: 'missing', text: cut}) : null, more)
  }

  links({links}) {
    return links.length ? element('p', {class: 'links'}, ...links.map(({name, link}) => this.link(link, name))) : null
  }

  link(address, text) {
    if (!/^https?:\/\//i.test(address)) return element('span', {text})
    return element('a', {href: address, target: '_blank', rel: 'noopener noreferrer', title: address, text})
  }

  fields({fields}, asTheyCome = false) {
    if (!fields.length) return null
    const odd = ({odd: share}) => (share == null ? 2 : share)
    const shown = asTheyCome || this.settings.order !== 'unusual' ? fields : [...fields].sort((a, b) => odd(a) - odd(b))
    return element('dl', {class: 'fields'}, ...shown.map((field) => this.field(field)))
  }

  field(field) {
    const plot = this.settings.plots[field.name]
    const share = field.share == null ? null : `${percent(field.share)} % of the pool`
    return element('div', {class: 'field'}, element('dt', {text: field.name, title: field.name}),
      element('dd', {class: 'value', title: field.value, dir: 'auto'},
        field.link ? this.link(field.link, field.value) : field.value),
      element('dd', {class: 'place'}, field.place != null && plot ? stripPlot(plot, field)
        : share ? element('span', {class: 'share', text: share, title: share}) : null))
  }
}
