/** Pages written from the code. `export` is a function without arguments that returns the page. */
export const GENERATED_PAGES = [];
