// A click on an example tells its number; not while answers come, since both would write to one place.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-number]');
  if (!button || document.querySelector('#mz-answers [aria-busy=true]')) return;
  props.value = Number(button.dataset.number);
  trigger('select');
});
