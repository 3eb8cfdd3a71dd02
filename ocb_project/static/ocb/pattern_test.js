// Tries a pattern as it is typed: the button's form goes to the address that the button names, and nothing is saved.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-test]");
  if (!button) return;
  const result = document.getElementById("pattern-test");
  button.disabled = true;
  try {
    const response = await fetch(button.dataset.test, { method: "POST", body: new FormData(button.form) });
    if (!response.ok || response.redirected) throw new Error(response.status);
    result.innerHTML = await response.text();
  } catch {
    result.textContent = "That did not work. Reload the page, sign in if it asks, and try again.";
  }
  button.disabled = false;
});
