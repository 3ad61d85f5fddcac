// The image chooser: reads the file in the browser, sends it as text, and keeps only the server's key.
const kept = { read: 0 };

async function take(file) {
  if (!file) return;
  const mine = ++kept.read;
  if (file.size > props.limit) {
    const mib = (n) => (n / 1048576).toFixed(1);
    props.value = '';
    props.preview = '';
    props.problem = `The image has ${mib(file.size)} MiB, the limit is ${mib(props.limit)}.`;
    return;
  }
  props.problem = '';
  props.busy = true;
  try {
    // Browsers know no DICOM; the server goes by the bytes, whatever they are called.
    const typed = new Blob([file], { type: 'application/dicom' });
    const uri = await new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.onerror = () => failed(reader.error);
      reader.readAsDataURL(typed);
    });
    const seen = await server.look(uri);
    if (mine !== kept.read) return;
    props.value = seen.key;
    props.preview = seen.preview;
    props.problem = seen.problem;
  } catch (error) {
    props.value = '';
    props.preview = '';
    props.problem = 'The image could not be sent to the server. Try again.';
  } finally {
    props.busy = false;
  }
}

const open = () => element.querySelector('input[type=file]').click();
element.addEventListener('click', (event) => {
  if (event.target.closest('.mz-picker') && event.target.type !== 'file') open();
});
element.addEventListener('keydown', (event) => {
  if ((event.key === 'Enter' || event.key === ' ') && event.target.closest('.mz-picker')) {
    event.preventDefault();
    open();
  }
});
element.addEventListener('change', (event) => {
  if (event.target.type === 'file') take(event.target.files[0]);
});
element.addEventListener('dragover', (event) => event.preventDefault());
element.addEventListener('drop', (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
element.addEventListener('paste', (event) => take(event.clipboardData.files[0]));
