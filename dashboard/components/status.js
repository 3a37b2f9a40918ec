// The badges of the top bar: saved, round, found so far.

const badge = (name, label) => {
  const node = document.createElement('span')
  node.className = 'badge'
  node.dataset.testid = name
  node.title = label
  return node
}

const name = (text) => {
  const node = document.createElement('span')
  node.className = 'name'
  node.textContent = text
  return node
}

export function render({model}) {
  const bar = document.createElement('div')
  bar.className = 'bar'
  const saved = badge('saved', 'Whether every answer is on disk')
  const round = badge('round', 'The round whose ranking is shown')
  const found = badge('found', 'Labels of the classes that are looked for, and all labels')
  const stop = badge('stop-meter', 'The share of the class that has been found for certain, see the Stop tab')
  const pace = badge('pace', 'Labels an hour in this session, without pauses, see the Progress tab')
  const who = badge('who', '')
  bar.append(found, stop, pace, round, saved, who)
  let pending = 0
  let late = false
  let state = {round: '', running: false, found: '', stop: '', pace: '', annotator: '', here: []}
  const paint = () => {
    saved.textContent = !state.round ? '' : pending ? (late ? `${pending} not saved` : 'saving…') : 'saved ✓'
    saved.classList.toggle('bad', late)
    round.textContent = state.round
    round.classList.toggle('running', state.running)
    found.textContent = state.found
    stop.textContent = state.stop
    pace.textContent = state.pace || ''
    const others = state.here.filter((name) => name !== state.annotator)
    who.replaceChildren(...(!state.annotator ? [] : [name(state.annotator), others.length ? ` · ${others.length + 1} here` : '']))
    who.title = `Your answers are stored as given by ${state.annotator}.`
      + (others.length ? ` Here too: ${others.join(', ')}.` : '')
  }
  const onStatus = (event) => { ({pending, late} = event.detail); paint() }
  window.addEventListener('rareloop:status', onStatus)
  // A note in the top bar takes the room of what can be read in the tabs.
  const onNotes = (event) => bar.classList.toggle('brief', event.detail.on)
  window.addEventListener('rareloop:notes', onNotes)
  model.on('remove', () => {
    window.removeEventListener('rareloop:status', onStatus)
    window.removeEventListener('rareloop:notes', onNotes)
  })
  // Messages, not properties: a property that changes while the page is still being built may not arrive.
  model.on('msg:custom', (message) => { state = message; paint() })
  paint()
  model.send_msg({type: 'hello'})
  return bar
}
