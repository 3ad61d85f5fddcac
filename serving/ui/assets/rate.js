// The page Rate.
const page = element.querySelector('main');
