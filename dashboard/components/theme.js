// The theme's button: light, dark, or as the system has it, remembered by the browser.
//
// In a cookie, because the server draws the first picture and must know before.

const COOKIE = 'rareloop-theme'
const YEAR = 365 * 24 * 60 * 60
const SIGNS = {light: '☀', dark: '☾', system: '◐'}

const remembered = () => {
  const found = document.cookie.split('; ').find((part) => part.startsWith(`${COOKIE}=`))
  const [choice] = (found ? found.slice(COOKIE.length + 1) : 'system').split('-')
  return choice in SIGNS ? choice : 'system'
}

export function render({model}) {
  const system = window.matchMedia('(prefers-color-scheme: dark)')
  const button = document.createElement('button')
  button.type = 'button'
  button.dataset.testid = 'theme'
  let choice = remembered()
  const isDark = () => choice === 'dark' || (choice === 'system' && system.matches)
  const apply = () => {
    const shown = isDark() ? 'dark' : 'light'
    document.cookie = `${COOKIE}=${choice === 'system' ? `system-${shown}` : choice}; max-age=${YEAR}; path=/; samesite=lax`
    document.documentElement.style.colorScheme = shown
    const words = choice === 'system' ? `as the system has it, now ${shown}` : choice
    button.textContent = SIGNS[choice]
    button.title = `Theme: ${words}`
    button.setAttribute('aria-label', `Theme: ${words}. Change it`)
    model.send_msg({dark: isDark()})
  }
  // From the system's theme always to the other one, so that the first click changes what is seen.
  const order = () => (system.matches ? ['system', 'light', 'dark'] : ['system', 'dark', 'light'])
  button.addEventListener('click', (event) => {
    if (event.detail) button.blur()
    choice = order()[(order().indexOf(choice) + 1) % 3]
    apply()
  })
  const onSystem = () => { if (choice === 'system') apply() }
  system.addEventListener('change', onSystem)
  model.on('remove', () => system.removeEventListener('change', onSystem))
  apply()
  return button
}
