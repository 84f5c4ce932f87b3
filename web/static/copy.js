// The button beside what is shown only once: puts it into the clipboard. Without scripts it is not there, and the field is marked by hand.
for (const button of document.querySelectorAll("button.copies")) {
  const field = document.getElementById(button.dataset.field);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // Plain http under another name than localhost has no clipboard of that kind. Where there is none at all, the field is marked.
      if (!document.execCommand("copy")) return;
    }
    button.textContent = button.dataset.done;
  });
}
