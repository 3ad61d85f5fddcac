// The page Results.
const page = element.querySelector('main');
