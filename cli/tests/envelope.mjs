// The envelope, by another implementation: opens the published vectors with @hpke/core, as the dashboard
// bundles it, verifies their signatures, and
// seals each content anew, for Rust to open. Prints what it sealed as JSON; ends with an error at the first difference.
//
// node envelope.mjs VECTORS BUNDLE

import assert from "node:assert/strict";
import { createHash, createPublicKey, verify, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// Node 18 has it under another name.
globalThis.crypto ??= webcrypto;
const bundle = await import(pathToFileURL(process.argv[3]));
const { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256, XWing } = bundle;

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const suites = {
  "x25519": new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() }),
  "x-wing": new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() }),
};
const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64")).buffer;
const text = (string) => new TextEncoder().encode(string).buffer;
const base64 = (buffer) => Buffer.from(buffer).toString("base64");

// RFC 8410, section 4: what stands before the 32 bytes of an Ed25519 key.
const owner = createPublicKey({
  key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(vectors.owner, "base64")]),
  format: "der",
  type: "spki",
});
const appliance = createHash("sha256").update(Buffer.from(vectors.identity, "base64")).digest();
assert.equal(appliance.toString("hex"), vectors.appliance);
const info = Buffer.concat([Buffer.from("vedette/1 credential\0"), appliance]);

const sealed = [];
for (const vector of vectors.envelopes) {
  const suite = suites[vector.suite];
  const keys = vectors.keys[vector.suite];
  assert.equal(vector.info, info.toString("base64"));

  const open = async (header, ciphertext) => {
    const recipientKey = await suite.kem.deserializePrivateKey(bytes(keys.private));
    const enc = bytes(vector.encapsulated);
    const context = await suite.createRecipientContext({ recipientKey, enc, info: bytes(vector.info) });
    return new TextDecoder().decode(await context.open(ciphertext, text(header)));
  };
  assert.equal(await open(vector.header, bytes(vector.ciphertext)), vector.content);
  assert.equal(Buffer.byteLength(vector.content) % 256, 0);
  const altered = new Uint8Array(bytes(vector.ciphertext));
  altered[0] ^= 1;
  await assert.rejects(open(vector.header, altered.buffer));
  await assert.rejects(open(vector.header.replace("192.0.2.7", "192.0.2.8"), bytes(vector.ciphertext)));

  const signed = Buffer.from(vector.signed, "base64");
  const signature = Buffer.from(vector.signature, "base64");
  assert.ok(verify(null, signed, owner, signature));
  signed[signed.length - 1] ^= 1;
  assert.ok(!verify(null, signed, owner, signature));

  const recipientPublicKey = await suite.kem.deserializePublicKey(bytes(keys.public));
  const sender = await suite.createSenderContext({ recipientPublicKey, info: bytes(vector.info) });
  const ciphertext = await sender.seal(text(vector.content), text(vector.header));
  sealed.push({
    suite: vector.suite,
    header: vector.header,
    content: vector.content,
    encapsulated: base64(sender.enc),
    ciphertext: base64(ciphertext),
  });
}
assert.ok(sealed.length >= 4);
console.log(JSON.stringify(sealed));
