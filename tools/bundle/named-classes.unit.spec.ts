import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { namedClasses } from './named-classes.mjs';

/** Evaluates a source in which every class was renamed, as a bundle may do. */
function names(source: string, expression: string): unknown {
  const renamed = namedClasses(source).replaceAll(/\bclass ([^\s{]+)/g, 'class $1Renamed');
  return runInNewContext(`${renamed}\n[${expression}].join()`);
}

describe('namedClasses', () => {
  it('keeps the name of a class when its declaration is renamed', () => {
    expect(names('class Ä {} class B extends Array { m() {} }', 'ÄRenamed.name, BRenamed.name')).toBe('Ä,B');
    expect(names('let A = class A {};', 'A.name')).toBe('A');
  });

  it('gives a class without a name the name of its variable', () => {
    const named = namedClasses('var A = class {}; A = class extends (class {}) {};');
    expect(named.match(/value: 'A'/g)).toHaveLength(2);
  });

  it('changes neither a static member called name nor any line number', () => {
    const source =
      "class A { static name = 'own' }\nclass B {\n  static name() {}\n}\n// class C {}\nconst text = 'class D {}';";
    expect(namedClasses(source)).toBe(source);
    expect(namedClasses('\n\nclass A {\n}\nthrow 1').split('\n')).toHaveLength(5);
  });
});
