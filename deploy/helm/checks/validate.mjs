// Reads custom resources as a JSON list from standard input; says which ones their operators'
// schemas refuse, as a JSON list of {name, error}.
import { readFileSync } from 'node:fs';
import * as gateway from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1';
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

const models = {
  'gateway.networking.k8s.io/v1': gateway,
  'keda.sh/v1alpha1': keda,
  'monitoring.coreos.com/v1': monitoring,
};

const refused = [];
for (const manifest of JSON.parse(readFileSync(0, 'utf8'))) {
  const Model = models[manifest.apiVersion]?.[manifest.kind];
  const name = `${manifest.kind}/${manifest.metadata.name}`;
  if (Model === undefined) {
    refused.push({ name, error: `there is no schema of ${manifest.apiVersion}` });
    continue;
  }
  try {
    new Model(manifest).validate();
  } catch (error) {
    refused.push({ name, error: error.message });
  }
}
process.stdout.write(JSON.stringify(refused));
