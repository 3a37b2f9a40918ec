// What opens below a line of controls lies over the map: its wrapper in the column comes before the map's.

const lift = (node) => {
  const wrapper = node.getRootNode().host?.closest('.child-wrapper')
  if (wrapper) Object.assign(wrapper.style, {position: 'relative', zIndex: 4})
}
