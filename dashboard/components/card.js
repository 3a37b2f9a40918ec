// The item card: why the item is asked, and what is known of it.

const WHY_IS_OPEN = 'rareloop-why' // remembered by the browser, for all workspaces

class Card {
  constructor(surface) {
    this.surface = surface
    this.reason = element('span', {'data-testid': 'reason'})
    this.why = this.whyPart()
    this.body = element('div', {class: 'body', tabindex: '0', role: 'group', 'aria-label': 'Item'})
  }

  // Paints a queue entry with the contents of its card; both null: there is no item.
  paint(entry, item) {
    this.paintWhy(entry)
    this.reason.textContent = (entry && entry.reason) || ''
    const parts = item ? [this.picture(item), ...item.texts.map((text) => this.text(text)), this.fields(item)] : []
    this.body.replaceChildren(...parts.filter(Boolean))
    this.body.scrollTop = 0
  }

  toggleWhy() { this.why.open = !this.why.open }

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
      element('span', {class: 'name', text: name}), element('span', {class: 'distance', text: significant(distance)}))
  }

  picture(item) {
    if (!item.image) return null
    const image = element('img', {alt: `Picture of ${item.id}`, src: item.image})
    image.addEventListener('load', () => image.classList.toggle('tiny', image.naturalWidth < 128))
    image.addEventListener('error', () => image.replaceWith(
      element('p', {class: 'missing', text: 'The picture could not be loaded.'})))
    return element('figure', {}, image)
  }

  text({name, value}) {
    return element('div', {class: 'text'}, element('h3', {text: name}), element('p', {text: value}))
  }

  fields(item) {
    if (!item.fields.length) return null
    const rows = item.fields.map(({name, value, place}) => {
      const dot = place == null ? null : element('span', {class: 'strip', role: 'img',
        'aria-label': `above ${Math.round(place * 100)} percent of the pool`,
        title: `above ${Math.round(place * 100)} % of the pool`}, element('i', {style: `left: ${place * 100}%`}))
      return element('tr', {}, element('th', {scope: 'row', text: name, title: name}),
        element('td', {text: value, title: value}), element('td', {class: 'place'}, dot))
    })
    return element('table', {class: 'fields'}, element('tbody', {}, ...rows))
  }
}
