/** The curves of HDR by ISO/IEC 23091-2: PQ and HLG. */
const PQ = 16;
const HLG = 18;
/** What is read of a file: enough for the descriptions of its tracks. */
const MOST_BYTES = 8 * 1024 * 1024;
const MATROSKA_BYTES = 1024 * 1024;
/** Boxes on the top level that are looked at before the index is given up. */
const MOST_BOXES = 1000;

/**
 * Whether an MP4, MOV, Matroska or WebM file states HDR. A file that can't be read, or that says it
 * elsewhere, counts as SDR: this only decides what is asked, the server looks inside.
 */
export async function looksLikeHdr(file: Blob): Promise<boolean> {
  try {
    const head = await bytes(file, 0, 4);
    if (head.join() === '26,69,223,163')
      return matroskaSaysHdr(await bytes(file, 0, MATROSKA_BYTES));
    const index = await movieBox(file);
    return index !== null && boxesSayHdr(index);
  } catch {
    return false;
  }
}

/** `colr` of kind `nclx` or `nclc`: primaries, then the curve, two bytes each. */
function boxesSayHdr(data: Uint8Array): boolean {
  for (let at = data.indexOf(0x63); at >= 0; at = data.indexOf(0x63, at + 1)) {
    if (!/^colrncl[xc]$/.test(text(data, at, 8))) continue;
    const curve = (data[at + 10] ?? 0) * 256 + (data[at + 11] ?? 0);
    if (curve === PQ || curve === HLG) return true;
  }
  return false;
}

/** TransferCharacteristics: an element with the id 0x55BA, one byte long. */
function matroskaSaysHdr(data: Uint8Array): boolean {
  for (let at = data.indexOf(0x55); at >= 0; at = data.indexOf(0x55, at + 1)) {
    if (data[at + 1] !== 0xba || data[at + 2] !== 0x81) continue;
    if (data[at + 3] === PQ || data[at + 3] === HLG) return true;
  }
  return false;
}

/** The beginning of the box that describes the tracks, which may stand behind all pictures. */
async function movieBox(file: Blob): Promise<Uint8Array | null> {
  let at = 0;
  for (let count = 0; count < MOST_BOXES && at + 8 <= file.size; count += 1) {
    const header = await bytes(file, at, 16);
    const view = new DataView(header.buffer);
    const short = view.getUint32(0);
    const size = short === 1 ? Number(view.getBigUint64(8)) : short;
    if (text(header, 4, 4) === 'moov') return bytes(file, at, Math.min(size, MOST_BYTES));
    if (size < 8) return null;
    at += size;
  }
  return null;
}

async function bytes(file: Blob, at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.slice(at, at + length).arrayBuffer());
}

function text(data: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...data.subarray(at, at + length));
}
