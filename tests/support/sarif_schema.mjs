// Judges SARIF by OASIS's whole schema: reads a list of documents on standard input, prints what each is blamed for.
// Run in a folder whose node_modules holds @microsoft/jest-sarif, which brings the schema and ajv.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.cwd() + '/');
const Ajv = require('ajv');
const ajv = new Ajv({ schemaId: 'auto', allErrors: true, validateSchema: false });
ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
const valid = ajv.compile(require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'));
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map((document) =>
  valid(document) ? [] : valid.errors.map((each) => `${each.dataPath} ${each.message}`))));
