// The options that a script of this repository has, from its source: what it, or a file it imports, gives to parseArgs, itself or
// by parseCommandLine of bench/lib/arguments.mjs. Scripts are not run,
// because what they import (other packages' benchmarks, servers) may not be installed.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import ts from 'typescript';

/** Why a script would not take these arguments; undefined if it does. */
export function refusal(path, args) {
  try {
    parseArgs({ args, options: optionsOf(path), strict: true });
    return undefined;
  } catch (error) {
    return `${path}: ${error.message}`;
  }
}

/** The options in a file or what it imports of its own; {} if there is none. */
function optionsOf(path, seen = new Set()) {
  if (seen.has(path) || !existsSync(path)) return {};
  seen.add(path);
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2023, true);
  const options = {};
  const visit = (node) => {
    if (ts.isImportDeclaration(node) && node.moduleSpecifier.text.startsWith('.'))
      Object.assign(options, optionsOf(join(dirname(path), node.moduleSpecifier.text), seen));
    if (ts.isCallExpression(node)) {
      const called = node.expression.getText();
      if (called === 'parseArgs') Object.assign(options, declared(propertyOf(node.arguments[0], 'options')));
      if (called === 'parseCommandLine') Object.assign(options, declared(node.arguments[1]));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return options;
}

const propertyOf = (object, name) => object?.properties?.find((property) => property.name?.text === name)?.initializer;

/** The options of an object literal but for what is spread into it. */
function declared(object) {
  if (!object || !ts.isObjectLiteralExpression(object)) return {};
  return Object.fromEntries(
    object.properties.filter(ts.isPropertyAssignment).map((property) => {
      const { text: name } = property.name;
      const multiple = propertyOf(property.initializer, 'multiple') !== undefined;
      const short = propertyOf(property.initializer, 'short')?.text;
      return [name, { type: propertyOf(property.initializer, 'type').text, multiple, ...(short ? { short } : {}) }];
    }),
  );
}
