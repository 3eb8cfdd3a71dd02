// Copies the text of a field. Without a clipboard (plain http) the text is selected, to be copied by hand.
for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      field.closest("details").open = true;
      field.select();
      button.textContent = "Selected: press Ctrl-C";
    }
  });
}
