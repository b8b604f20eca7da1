// Before the first paint, so that no page flashes in the wrong light; therefore not a module.
document.documentElement.dataset.theme = localStorage.getItem("darkroom.theme") ?? "auto";
