// The bar of pages is Gradio's: its name and the page that is open are said to those who do not see it.
const pages = document.querySelector('.nav-holder nav');
pages?.setAttribute('aria-label', 'Pages');
pages?.querySelector('a.active')?.setAttribute('aria-current', 'page');
