// Judges bundles with sigstore-js: for each line of standard input, a list of cases, prints a line of what became of them.
// Run in a folder whose node_modules holds @sigstore/bundle, @sigstore/verify and @sigstore/protobuf-specs.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const require = createRequire(process.cwd() + '/');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

function judge({ bundle, root, artifact, spki, identity, issuer, tlogThreshold, timestampThreshold }) {
  const key = { rawBytes: Buffer.from(spki ?? '', 'base64') };
  const keys = () => ({ publicKey: require('node:crypto').createPublicKey({ key: key.rawBytes, format: 'der', type: 'spki' }), validFor: () => true });
  const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(root)), keys);
  const entity = toSignedEntity(bundleFromJSON(JSON.parse(bundle)), readFileSync(artifact));
  const policy = identity === undefined ? undefined : { subjectAlternativeName: identity, extensions: { issuer } };
  new Verifier(material, { tlogThreshold, timestampThreshold }).verify(entity, policy);
}

function said(each) {
  try {
    judge(each);
    return null;
  } catch (error) {
    return String(error?.message ?? error);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(JSON.parse(line).map(said)));
}
