// A click on an example tells its number.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-number]');
  if (!button) return;
  props.value = Number(button.dataset.number);
  trigger('select');
});
