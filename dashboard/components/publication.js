// What is said of the data set: a form whose fields are saved one by one, each with its own sentence when it cannot be.

const TYPING_ENDS = 900 // ms without a key after which a text is saved
const OWN = 'own'

class Publication {
  constructor(model) {
    this.model = model
    this.fields = new Map() // key → {get, set, box, problem, changed}
    this.waiting = new Map() // key → timer of a text that is being typed
    this.sent = 0
    this.state = null
    this.status = element('span', {role: 'status', class: 'status', 'data-testid': 'publication-saved'})
    this.body = element('div', {class: 'groups'})
    this.root = element('section', {class: 'publication', 'aria-label': 'About the data set'},
      element('header', {}, element('h3', {text: 'About the data set'}), this.status), this.body)
  }

  // ---- with the server ------------------------------------------------------------------------

  receive(message) {
    if (!message.groups) return
    if (!this.state) this.build(message)
    this.state = message
    for (const [key, field] of this.fields) {
      if (!field.box.contains(this.active) && !this.waiting.has(key)) {
        field.set(message.values)
        field.known = JSON.stringify(field.get())
      }
      this.paintProblem(field, message.errors[key])
    }
    this.paintStatus()
  }

  get active() { return this.root.getRootNode().activeElement }

  save(key) {
    clearTimeout(this.waiting.get(key))
    this.waiting.delete(key)
    const changes = this.fields.get(key).get()
    if (!changes || JSON.stringify(changes) === this.fields.get(key).known) return
    this.fields.get(key).known = JSON.stringify(changes)
    this.sent += 1
    this.model.send_msg({type: 'save', key, changes, number: this.sent})
    this.paintStatus()
  }

  later(key) {
    clearTimeout(this.waiting.get(key))
    this.waiting.set(key, setTimeout(() => this.save(key), TYPING_ENDS))
    this.paintStatus()
  }

  paintStatus() {
    const wrong = Object.keys(this.state?.errors ?? {}).length
    const isSaving = this.waiting.size || this.sent > (this.state?.answered ?? 0)
    const words = isSaving ? 'saving…' : wrong ? `${wrong === 1 ? '1 field is' : `${wrong} fields are`} not saved` : 'saved ✓'
    if (this.status.textContent !== words) this.status.textContent = words
    this.status.classList.toggle('wrong', Boolean(wrong) && !isSaving)
  }

  paintProblem(field, text = '') {
    if (field.problem.textContent !== text) field.problem.textContent = text
    const inputs = field.inputs()
    const named = inputs.filter((input) => input.value && text.includes(`'${input.value}'`))
    for (const input of inputs) {
      if (text && (named.includes(input) || !named.length)) input.setAttribute('aria-invalid', 'true')
      else input.removeAttribute('aria-invalid')
    }
  }

  focus(key) {
    const field = this.fields.get(key)
    if (!field) return false
    field.box.closest('details').open = true
    const input = field.inputs()[0]
    field.box.scrollIntoView({block: 'center'})
    input?.focus({preventScroll: true})
    return true
  }

  // ---- building -------------------------------------------------------------------------------

  build({groups, licences, columns, includes}) {
    this.licences = licences
    this.columns = columns
    this.includes = includes
    this.body.replaceChildren(...groups.map(({title, open, fields}) => element('details', {open},
      element('summary', {text: title}), ...fields.map((field) => this.field(field)))))
  }

  field({key, label, hint, kind}) {
    const problem = element('p', {class: 'problem', id: `problem-${key}`, role: 'alert'})
    const made = this[kind](key, `hint-${key} problem-${key}`)
    const name = element(made.isGroup ? 'b' : 'label', {for: made.isGroup ? null : `field-${key}`, id: `name-${key}`, text: label})
    const head = element('div', {class: 'head'}, name, element('span', {class: 'hint', id: `hint-${key}`, text: hint}))
    const group = made.isGroup ? {role: 'group', 'aria-labelledby': `name-${key}`} : {}
    const box = element('div', {class: 'field', 'data-key': key, ...group}, head, ...made.parts, problem)
    this.fields.set(key, {...made, box, problem, known: '', inputs: () => [...box.querySelectorAll('input, select, textarea')]})
    return box
  }

  plain(key, describedBy, tag, attributes = {}) {
    const input = element(tag, {id: `field-${key}`, 'aria-describedby': describedBy, autocomplete: 'off', ...attributes,
      oninput: () => this.later(key), onchange: () => this.save(key)})
    return input
  }

  text(key, describedBy) {
    const input = this.plain(key, describedBy, 'input', {type: 'text'})
    return {parts: [input], get: () => ({[key]: input.value.trim() || null}), set: (values) => { input.value = values[key] ?? '' }}
  }

  long(key, describedBy) {
    const input = this.plain(key, describedBy, 'textarea', {rows: '3'})
    return {parts: [input], get: () => ({[key]: input.value.trim() || null}), set: (values) => { input.value = values[key] ?? '' }}
  }

  words(key, describedBy) {
    const input = this.plain(key, describedBy, 'input', {type: 'text'})
    const get = () => {
      const words = input.value.split(',').map((word) => word.trim()).filter(Boolean)
      return {[key]: words.length ? words : null}
    }
    return {parts: [input], get, set: (values) => { input.value = (values[key] ?? []).join(', ') }}
  }

  licence(key, describedBy) {
    const name = element('input', {type: 'text', 'aria-label': 'Name of the licence', placeholder: 'its name', onchange: () => this.save(key)})
    const url = element('input', {type: 'url', 'aria-label': 'Address of the licence', placeholder: 'https://…', onchange: () => this.save(key)})
    const own = element('div', {class: 'pair'}, name, url)
    const gist = element('p', {class: 'hint'})
    const select = element('select', {id: `field-${key}`, 'aria-describedby': describedBy},
      element('option', {value: '', text: 'none yet'}),
      ...this.licences.map((one) => element('option', {value: one.id, text: `${one.id} · ${one.name}`})),
      element('option', {value: OWN, text: 'another licence…'}))
    const paint = () => {
      own.hidden = select.value !== OWN
      gist.textContent = this.licences.find((one) => one.id === select.value)?.gist ?? ''
    }
    select.onchange = () => { paint(); if (select.value !== OWN) this.save(key); else name.focus() }
    const get = () => {
      if (select.value !== OWN) return {licence: select.value || null, licence_name: null, licence_url: null}
      const slug = name.value.trim().replace(/[^A-Za-z0-9.]+/g, '-').replace(/^-|-$/g, '') || 'Own'
      return {licence: `LicenseRef-${slug}`, licence_name: name.value.trim() || null, licence_url: url.value.trim() || null}
    }
    const set = (values) => {
      const known = values.licence ?? ''
      select.value = !known || this.licences.some((one) => one.id === known) ? known : OWN
      name.value = values.licence_name ?? (select.value === OWN && !known.startsWith('LicenseRef-') ? known : '')
      url.value = values.licence_url ?? ''
      paint()
    }
    return {parts: [select, gist, own], get, set}
  }

  creators(key, describedBy) {
    const list = element('div', {class: 'people'})
    const save = () => this.save(key)
    const person = ({name = '', orcid = '', affiliation = ''} = {}) => {
      const input = (part, value, words) => element('input', {type: 'text', 'data-part': part, value, 'aria-label': words,
        placeholder: words, 'aria-describedby': describedBy, autocomplete: 'off', onchange: save})
      const row = element('div', {class: 'person', role: 'group'}, input('name', name, 'Name'), input('orcid', orcid, 'ORCID'),
        input('affiliation', affiliation, 'Affiliation'),
        element('button', {type: 'button', text: '×', title: 'Remove this person', 'aria-label': 'Remove this person', onclick: () => {
          row.remove()
          if (!list.children.length) list.append(person())
          add.focus()
          save()
        }}))
      return row
    }
    const add = element('button', {type: 'button', text: 'Add a person', onclick: () => {
      const row = person()
      list.append(row)
      row.querySelector('input').focus()
    }})
    const get = () => {
      const people = [...list.children].map((row) => Object.fromEntries([...row.querySelectorAll('input')]
        .map((input) => [input.dataset.part, input.value.trim()]).filter(([, value]) => value))).filter((one) => Object.keys(one).length)
      return {[key]: people.length ? people : null}
    }
    const set = (values) => {
      if (JSON.stringify(get()[key]) === JSON.stringify(values[key] ?? null) && list.children.length) return
      list.replaceChildren(...(values[key]?.length ? values[key] : [{}]).map((one) => person(typeof one === 'string' ? {name: one} : one)))
    }
    return {isGroup: true, parts: [list, add], get, set}
  }

  chosen(key) {
    const usual = this.columns.filter((one) => one.usual).map((one) => one.name)
    const boxes = this.columns.map(({name, note}) => this.tick(key, name, name, note))
    const names = () => boxes.filter((box) => box.firstChild.checked).map((box) => box.firstChild.value)
    const tickOnly = (wanted) => { for (const {firstChild: box} of boxes) box.checked = wanted.includes(box.value) }
    const button = (text, wanted) => element('button', {type: 'button', text, onclick: () => { tickOnly(wanted); this.save(key) }})
    return {isGroup: true,
      parts: [element('div', {class: 'buttons'}, button('The usual ones', usual), button('None', [])), element('div', {class: 'ticks'}, ...boxes)],
      get: () => ({[key]: names().join('\n') === usual.join('\n') ? null : names()}),
      set: (values) => tickOnly(values[key] ?? usual)}
  }

  include(key) {
    const boxes = this.includes.map(({name, label, why}) => this.tick(key, name, label, why))
    const names = () => boxes.filter((box) => box.firstChild.checked).map((box) => box.firstChild.value)
    return {isGroup: true, parts: boxes, get: () => ({[key]: names().length ? names() : null}),
      set: (values) => { for (const {firstChild: box} of boxes) box.checked = (values[key] ?? []).includes(box.value) }}
  }

  tick(key, value, label, note) {
    return element('label', {class: 'tick'}, element('input', {type: 'checkbox', value, onchange: () => this.save(key)}),
      element('span', {}, label, note ? element('span', {class: 'hint', text: ` ${note}`}) : null))
  }
}

export function render({model}) {
  const form = new Publication(model)
  const host = element('div', {class: 'host'}, form.root)
  const paintTheme = () => host.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('msg:custom', (message) => form.receive(message))
  const onWanted = (event) => { if (form.focus(event.detail.key)) event.preventDefault() }
  window.addEventListener('rareloop:field', onWanted)
  model.on('remove', () => window.removeEventListener('rareloop:field', onWanted))
  model.on('remove', () => { for (const key of [...form.waiting.keys()]) form.save(key) })
  model.send_msg({type: 'hello'})
  return host
}
