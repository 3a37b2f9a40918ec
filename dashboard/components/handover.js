// The right side of the Export tab: what is missing, the package with its checks, and the versions so far.

const VERDICTS = {pass: ['✓', 'passed', 'good'], fail: ['✗', 'failed', 'bad'], 'not done': ['–', 'not done', 'none']}
const list = (kind, lines) => element('ul', {class: kind}, ...lines)
const sentences = (texts) => list('sentences', texts.map((text) => element('li', {text})))

class Handover {
  constructor(model) {
    this.model = model
    this.wanted = null // the version that the user has written
    this.parts = {missing: this.part('Ready to publish?', 'missing'), package: this.part('Package', 'package'),
      versions: this.part('Versions so far', 'versions')}
    this.painted = {}
    this.fill = element('div', {class: 'fill'})
    this.meter = element('div', {class: 'meter', role: 'progressbar', 'aria-label': 'Package', 'aria-valuemin': '0', 'aria-valuemax': '100'}, this.fill)
    this.doing = element('span', {class: 'hint'})
    this.root = element('section', {'aria-label': 'Hand over'}, ...Object.values(this.parts))
  }

  part(title, name) { return element('section', {class: 'part', 'aria-label': title, 'data-testid': `handover-${name}`}) }

  tell(message) { this.model.send_msg(message) }

  receive(message) {
    if (message.type === 'progress') { this.paintProgress(message); return }
    if (!message.missing) return // it is not known yet
    this.state = message
    for (const name of Object.keys(this.parts)) this.paint(name)
  }

  paint(name) {
    // Only what has changed, so that nothing loses the focus or closes under the user's hands.
    const state = JSON.stringify([this.state[name], this.state.ready])
    if (this.painted[name] === state) return
    this.painted[name] = state
    const part = this.parts[name]
    const focused = part.getRootNode().activeElement?.dataset?.name
    const open = part.querySelector('details')?.open ?? false
    part.replaceChildren(...this[`${name}Parts`](this.state[name]).filter(Boolean))
    const details = part.querySelector('details')
    if (details) details.open = open
    if (focused) part.querySelector(`[data-name="${focused}"]:not(:disabled)`)?.focus()
  }

  paintProgress({share, text}) {
    const percent = Math.round(100 * share)
    this.meter.setAttribute('aria-valuenow', percent)
    this.fill.style.width = `${percent}%`
    this.doing.textContent = text
  }

  // ---- what is missing ------------------------------------------------------------------------

  missingParts({lines, problem}) {
    const needed = lines.filter((line) => line.needed)
    const others = lines.filter((line) => !line.needed)
    const words = problem ? 'cannot be told' : needed.length ? `${needed.length} ${needed.length === 1 ? 'thing is' : 'things are'} missing` : 'yes'
    return [
      element('header', {}, element('h3', {text: 'Ready to publish?'}),
        element('span', {role: 'status', class: needed.length || problem ? 'status wrong' : 'status', text: needed.length || problem ? words : 'yes ✓', 'data-testid': 'ready'})),
      problem ? element('p', {class: 'problem', text: problem}) : null,
      needed.length ? list('missing', needed.map((line) => this.line(line))) : null,
      others.length ? element('details', {}, element('summary', {text: `Good to have: ${others.length} more`}),
        list('missing', others.map((line) => this.line(line)))) : null,
    ]
  }

  line({key, text, needed, action}) {
    const sign = element('span', {class: `sign ${needed ? 'bad' : 'warn'}`, 'aria-hidden': 'true', text: needed ? '✗' : '!'})
    return element('li', {'data-key': key}, sign, element('span', {text}), action ? element('button', {type: 'button', class: 'link', text: action,
      'data-name': `jump-${key}`, 'aria-label': `${action}: ${key}`, onclick: () => this.jump(key)}) : null)
  }

  jump(key) {
    // A field of the form takes the focus at once: what is typed next must not be taken for keys of the card.
    const asked = new CustomEvent('rareloop:field', {detail: {key}, cancelable: true})
    if (window.dispatchEvent(asked)) this.tell({type: 'jump', key})
  }

  // ---- the package ----------------------------------------------------------------------------

  packageParts(state) {
    return [
      element('header', {}, element('h3', {text: 'Package'}),
        element('span', {class: 'status', role: 'status', text: state.note, 'data-testid': 'package-note'})),
      state.doing ? this.work(state) : this.question(state),
      element('p', {class: 'problem', role: 'alert', text: state.problem}),
      state.made ? this.result(state) : null,
    ]
  }

  work({title}) {
    return element('div', {class: 'row', 'data-testid': 'package-work'}, element('span', {text: title}), this.meter,
      element('button', {type: 'button', text: 'Cancel', 'data-name': 'cancel', onclick: () => this.tell({type: 'cancel'})}), this.doing)
  }

  question({before, proposal, can_make: canMake, draft, first}) {
    if (before && !proposal) {
      return element('div', {class: 'row'}, element('button', {type: 'button', class: 'primary', text: `See what has changed since ${before}`,
        'data-name': 'propose', disabled: !canMake, onclick: () => this.tell({type: 'propose'})}))
    }
    const version = proposal ? proposal.version : first
    if (this.of !== version) { this.of = version; this.wanted = null }
    const make = element('button', {type: 'button', class: 'primary', 'data-name': 'make', disabled: !canMake,
      onclick: () => this.tell({type: 'make', version: input.value.trim() === version ? null : input.value.trim()})})
    const name = () => { make.textContent = draft ? `Make a draft of ${input.value.trim()}` : `Make package ${input.value.trim()}` }
    const input = element('input', {type: 'text', value: this.wanted ?? version, 'aria-label': 'Version', 'data-name': 'version', title: `At least ${version}`,
      autocomplete: 'off', oninput: () => { this.wanted = input.value; name() }})
    name()
    return element('div', {},
      proposal ? element('p', {text: proposal.head}) : null, proposal ? sentences(proposal.sentences) : null,
      element('div', {class: 'row'}, element('label', {}, 'Version ', input), make,
        proposal?.stale ? element('button', {type: 'button', class: 'link', text: 'Look again', 'data-name': 'propose', onclick: () => this.tell({type: 'propose'})}) : null),
      draft && canMake ? element('p', {class: 'hint', text: 'Something needed is missing: the package says in every place that it is a draft.'}) : null)
  }

  result({made, checks, tally}) {
    return element('div', {class: 'result'},
      element('p', {'data-testid': 'package-made'}, element('a', {href: made.address, download: true, text: `Download ${made.file}`}), ` ${made.words}`),
      element('p', {class: 'hint', text: made.sentences.join(' ')}),
      checks.length ? element('p', {role: 'status', class: 'tally', text: tally, 'data-testid': 'checks-tally'}) : null,
      checks.length ? list('checks', checks.map((one) => this.check(one))) : null)
  }

  check({number, title, verdict, sentence}) {
    const [sign, word, kind] = VERDICTS[verdict]
    return element('li', {'data-verdict': verdict}, element('span', {class: `sign ${kind}`, 'aria-hidden': 'true', text: sign}),
      element('span', {class: `word ${kind}`, text: word}),
      element('span', {}, element('b', {text: `${number} ${title}`}), element('span', {class: 'hint', text: ` ${sentence}`})))
  }

  // ---- versions -------------------------------------------------------------------------------

  versionsParts({lines, problem}) {
    if (problem) return [element('h3', {text: 'Versions so far'}), element('p', {class: 'problem', text: problem})]
    if (!lines.length) return []
    return [element('details', {}, element('summary', {text: `Versions so far: ${lines.length}`}),
      list('versions', lines.map(({version, date, sentences: said, address}) => element('li', {},
        element('b', {text: version}), ` ${date} `, address ? element('a', {href: address, download: true, text: 'zip', 'aria-label': `Download version ${version}`}) : null,
        list('', said.map((text) => element('li', {text})))))))]
  }
}

export function render({model}) {
  const panel = new Handover(model)
  const host = element('div', {class: 'host'}, panel.root)
  const paintTheme = () => host.classList.toggle('dark', model.dark)
  paintTheme()
  model.on('dark', paintTheme)
  model.on('msg:custom', (message) => panel.receive(message))
  model.send_msg({type: 'hello'})
  return host
}
