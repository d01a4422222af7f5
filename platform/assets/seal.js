// Seals a credential to appliances, in the format of docs/vectors/envelope.json, and sends the sealings. The secret's
// fields have no name and stand in a form that is never sent.
import { Aes256Gcm, CipherSuite, HkdfSha256, XWing } from "/assets/hpke.js";

const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const field = (id) => document.getElementById(id);
const form = field("seal");
const PADDING = 256;

const text = (string) => new TextEncoder().encode(string);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const base64 = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
const unbase64 = (string) => Uint8Array.from(atob(string), (character) => character.charCodeAt(0));

function complain(problem) {
  field("complaint").textContent = problem;
  field("complaint").hidden = false;
}

// Shows what belongs to the chosen kind: its fields, and the ways in which its host can be known.
function arrange() {
  for (const part of form.querySelectorAll("[data-kinds]")) {
    part.hidden = !part.dataset.kinds.split(" ").includes(field("kind").value);
  }
  const ways = [...field("trust").options];
  if (field("trust").selectedOptions[0]?.hidden) field("trust").value = ways.find((way) => !way.hidden).value;
  field("digest-field").hidden = !["ssh-host-key", "tls-spki"].includes(field("trust").value);
}

function trust() {
  const how = field("trust").value;
  if (how === "first-seen" || how === "cleartext") return how;
  const given = field("digest").value.trim();
  // As OpenSSH prints it, or in hexadecimal.
  const openssh = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(given);
  const digest = openssh ? hex(unbase64(openssh[1] + "=")) : given.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw new Error("Give the SHA-256 of the host's key: SHA256:… as ssh-keygen -l prints it, or 64 hexadecimal digits.");
  }
  return { [how]: digest };
}

function content() {
  const seen = (id) => !field(id).closest("[data-kinds]").hidden;
  const said = {};
  if (seen("user")) said.user = field("user").value;
  said.secret = seen("key") ? field("key").value : field("secret").value;
  if (seen("passphrase") && field("passphrase").value) said.passphrase = field("passphrase").value;
  if (seen("certificate")) said.certificate = field("certificate").value;
  if (!said.secret) throw new Error("There is no secret to seal.");
  const bytes = text(JSON.stringify(said));
  const padded = new Uint8Array(Math.ceil(bytes.length / PADDING) * PADDING).fill(0x20);
  padded.set(bytes);
  bytes.fill(0);
  return padded;
}

function header(recipients) {
  const hosts = field("hosts").value.split(/[\s,]+/).filter(Boolean);
  const port = Number(field("port").value);
  const known = trust();
  return JSON.stringify({
    vedette: 1,
    org: form.dataset.org,
    credential: form.dataset.credential || hex(crypto.getRandomValues(new Uint8Array(16))),
    version: Number(form.dataset.version),
    kind: field("kind").value,
    places: hosts.map((host) => ({ host, port, trust: known })),
    appliances: recipients.map((one) => one.dataset.fingerprint),
  });
}

async function sealTo(recipient, bound, plaintext) {
  const fingerprint = recipient.dataset.fingerprint;
  const info = new Uint8Array([...text("vedette/1 credential\0"), ...unhex(fingerprint)]);
  const recipientPublicKey = await suite.kem.deserializePublicKey(unbase64(recipient.dataset.key).buffer);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: info.buffer });
  const ciphertext = await sender.seal(plaintext.buffer, text(bound).buffer);
  return { appliance: fingerprint, suite: "x-wing", encapsulated: base64(sender.enc), ciphertext: base64(ciphertext) };
}

async function seal() {
  const recipients = [...form.querySelectorAll(".recipient:checked")];
  if (recipients.length === 0) throw new Error("Choose at least one appliance that can open it.");
  const bound = header(recipients);
  const plaintext = content();
  const sealed = [];
  for (const recipient of recipients) sealed.push(await sealTo(recipient, bound, plaintext));
  plaintext.fill(0);
  for (const id of ["secret", "key", "passphrase"]) field(id).value = "";
  const send = field("send");
  send.elements.id.value = JSON.parse(bound).credential;
  send.elements.label.value = field("label").value;
  send.elements.parts.value = JSON.stringify({ header: bound, sealed });
  send.submit();
}

form.addEventListener("change", arrange);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  field("go").disabled = true;
  seal().catch((error) => {
    complain(error.message);
    field("go").disabled = false;
  });
});
arrange();
field("go").disabled = false;
