/** Which sizes to offer for a model: its native square, and 3:4 either way. */

const TALL = 3 / 4;

export function sizesOf(model) {
  const side = model.native_size;
  const [narrow, long] = portrait(model);
  const sizes = [
    { width: side, height: side, name: "Square" },
    { width: narrow, height: long, name: "Portrait" },
    { width: long, height: narrow, name: "Landscape" },
  ];
  return narrow === long ? sizes.slice(0, 1) : sizes;
}

/** About the native area; where that is too long for the model, as long as it goes. */
function portrait(model) {
  const ideal = model.native_size / Math.sqrt(TALL);
  const long = fit(ideal, model);
  return [fit(long * TALL, model), long];
}

function fit(pixels, { size_multiple: multiple, min_size: least, max_size: most }) {
  const rounded = Math.round(pixels / multiple) * multiple;
  return Math.min(Math.max(rounded, Math.ceil(least / multiple) * multiple), Math.floor(most / multiple) * multiple);
}
