// The bar of pages is Gradio's: its name and the page that is open are said to those who do not see it.
const pages = document.querySelector('.nav-holder nav');
pages?.setAttribute('aria-label', 'Pages');
pages?.querySelector('a.active')?.setAttribute('aria-current', 'page');

// A file that is dropped where no page takes it would be opened by the browser, and its path and picture stay in
// the tab and its history. Nor is a picture of the page drawn out of it.
const isFile = ({ dataTransfer }) => dataTransfer?.types.includes('Files');
const hint = document.createElement('p');
Object.assign(hint, { className: 'mz-dropped', hidden: true });
hint.setAttribute('role', 'status');
document.body.append(hint);
let shown = 0;
addEventListener('dragstart', (event) => { if (event.target.localName === 'img') event.preventDefault(); });
addEventListener('dragover', (event) => { if (isFile(event)) event.preventDefault(); });
addEventListener('drop', (event) => {
  if (event.defaultPrevented || !isFile(event)) return;
  event.preventDefault();
  hint.textContent = document.querySelector('[data-drop]')?.dataset.drop ?? 'Nothing was opened: pictures are dropped on the page Compare.';
  hint.hidden = false;
  clearTimeout(shown);
  shown = setTimeout(() => { hint.hidden = true; }, 6000);
});
