import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { namedClasses } from './named-classes.mjs';

/** What a bundle may make of a source: every class under another name. */
function names(source: string, expression: string): unknown {
  const renamed = namedClasses(source).replaceAll(/\bclass ([^\s{]+)/g, 'class $1Renamed');
  return runInNewContext(`${renamed}\n[${expression}].join()`);
}

describe('namedClasses', () => {
  it('keeps the name of a class whatever its declaration is called', () => {
    expect(names('class Ä {} class B extends Array { m() {} }', 'ÄRenamed.name, BRenamed.name')).toBe('Ä,B');
    expect(names('let A = class A {};', 'A.name')).toBe('A');
  });

  it('gives a class without a name that of its variable', () => {
    const named = namedClasses('var A = class {}; A = class extends (class {}) {};');
    expect(named.match(/value: 'A'/g)).toHaveLength(2);
  });

  it('leaves a static member called name alone, and every line where it is', () => {
    const source =
      "class A { static name = 'own' }\nclass B {\n  static name() {}\n}\n// class C {}\nconst text = 'class D {}';";
    expect(namedClasses(source)).toBe(source);
    expect(namedClasses('\n\nclass A {\n}\nthrow 1').split('\n')).toHaveLength(5);
  });
});
