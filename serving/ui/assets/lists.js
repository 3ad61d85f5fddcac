// The page Work lists.
const page = element.querySelector('main');
