// The bar of pages is Gradio's: its name and the page that is open are said to those who do not see it.
const bar = document.querySelector('.nav-holder nav');
bar?.setAttribute('aria-label', 'Pages');
bar?.querySelector('a.active')?.setAttribute('aria-current', 'page');
