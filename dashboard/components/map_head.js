// The line above one map: its axes, its colour, the work that it waits for, and its end.

const choice = (label, what, model) => {
  let byPointer = false
  const select = element('select', {'data-what': what,
    onpointerdown: () => { byPointer = true },
    onkeydown: () => { byPointer = false },
    onchange: () => {
      model.send_msg({type: 'choose', what, value: select.value})
      if (byPointer) select.blur() // so that the keys label again
    }})
  return {select, node: element('div', {class: 'choice'}, element('span', {text: label, 'aria-hidden': 'true'}), select)}
}

const fill = (select, groups, value) => {
  select.replaceChildren(...groups.map(([name, options]) => element('optgroup', {label: name},
    ...options.map(([key, text]) => element('option', {value: key, text})))))
  select.value = value
  select.title = select.selectedOptions[0]?.textContent ?? ''
}

export function render({model}) {
  const across = choice('Across', 'x', model)
  const up = choice('Up', 'y', model)
  const colour = choice('Colour', 'colour', model)
  const job = element('span', {class: 'job', role: 'status'})
  const close = element('button', {type: 'button', class: 'close', text: '×', title: 'Close this map',
    onclick: () => model.send_msg({type: 'close'})})
  const head = element('div', {class: 'head'}, across.node, up.node, colour.node, job, close)
  const host = element('div', {class: 'host'}, head)
  model.on('msg:custom', (state) => {
    if (!state.axes) return // a map that is not shown
    lift(host)
    host.classList.toggle('dark', state.dark)
    host.classList.toggle('compact', state.closable)
    const suffix = state.number > 1 ? `, map ${state.number}` : ''
    for (const [part, label] of [[across, 'Across'], [up, 'Up'], [colour, 'Colour']]) {
      part.select.setAttribute('aria-label', label + suffix)
    }
    fill(across.select, state.axes, state.x)
    fill(up.select, state.axes, state.y)
    fill(colour.select, state.colours, state.colour)
    close.hidden = !state.closable
    close.setAttribute('aria-label', `Close map ${state.number}`)
    job.replaceChildren(...(state.job ? [element('span', {text: state.job}), element('button', {type: 'button', text: 'Cancel',
      onclick: () => model.send_msg({type: 'cancel'})})] : []))
  })
  model.send_msg({type: 'hello'})
  return host
}
