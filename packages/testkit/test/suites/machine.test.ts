import { KadNode } from "@kad/core";
import { describe, it } from "vitest";
import { machineCases, machineSuite } from "../../src/index.ts";
import { ofMessages, ofTime } from "../mutants/machine.ts";
import { ofEnds, ofTraces } from "../mutants/machine-ends.ts";
import { describeMutants } from "../support/mutants.ts";
import { goldenTraces } from "../support/traces.ts";

const options = { traces: goldenTraces, runner: { describe, it } };

machineSuite((node) => new KadNode(node), { ...options, name: "core's KadNode" });

describeMutants(machineCases, options, { ...ofTime, ...ofMessages, ...ofEnds, ...ofTraces });
