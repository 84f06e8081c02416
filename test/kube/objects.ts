/**
 * The one shape that every stored object has. What is inside spec and status is left open on purpose: each kind's
 * defaults, validation and columns look at it by path.
 */
import type { Dict } from './json.ts';

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface Meta extends Dict {
  name: string;
  namespace?: string;
  generateName?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: Dict[];
}

/** An object as stored: complete metadata, the rest as the kind wants it. Never changed in place. */
export interface KubeObject extends Dict {
  apiVersion: string;
  kind: string;
  metadata: Meta;
  spec?: Dict;
  status?: Dict;
  data?: Dict;
}

/** What a client sends: nothing is certain. */
export type Draft = Dict;
