// A rule of ours for oxlint.

/** What is private has `#`. Only a constructor has no such form. */
const hashPrivate = {
  meta: { type: 'suggestion' },
  create(context) {
    const refuse = (node) => {
      if (node.accessibility !== 'private' || node.kind === 'constructor') return;
      context.report({ node, message: 'Write `#name`: `private` stands only before a constructor.' });
    };
    return { PropertyDefinition: refuse, MethodDefinition: refuse, TSParameterProperty: refuse };
  },
};

export default { meta: { name: 'batuta' }, rules: { 'hash-private': hashPrivate } };
