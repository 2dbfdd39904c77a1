// The library that manifests import: local magpkg = import 'magpkg/magpkg.libsonnet';
{
  // package(definition) makes a package of { name, fetch, build, runDeps, buildDeps } and returns a small reference
  // to it. References may be named any number of times: the definition is evaluated and registered once.
  // `.override({ ... })` gives a package that differs in the fields named; `.name` and `.definition` can be read.
  package(definition)::
    // Locals of a function are evaluated once, fields of an object each time that they are read. So the dependencies
    // are bound and forced here, before the definition is turned into text; read from there, they would be evaluated
    // again at every level above.
    local dependencies(field) = if std.objectHas(definition, field) then definition[field] else [];
    local runDeps = dependencies('runDeps');
    local buildDeps = dependencies('buildDeps');
    // Joining is done by the evaluator itself, which forces the items in a fraction of the time that a fold takes.
    local forced(list) = !std.isArray(list) || std.length(std.join('', [std.type(item) for item in list])) >= 0;
    local name = if std.objectHas(definition, 'name') then '' + definition.name else '';
    local ready = forced(runDeps) && forced(buildDeps);
    // A package that depends on itself comes by here again before it is done, which is how the circle is noticed.
    local reference =
      if std.native('magpkg.enter')(name) && ready
      then std.native('magpkg.package')('' + (definition { runDeps: runDeps, buildDeps: buildDeps }));
    {
      'magpkg:package': reference,
      name:: definition.name,
      definition:: definition,
      override(changes):: $.package(definition + changes),
    },

  // beside(std.thisFile, path) is the path of a file that lies beside the Jsonnet file that says so, for `urls`.
  beside(file, path)::
    std.join('/', std.split(file, '/')[:std.length(std.findSubstr('/', file))] + [path]),

  // Presets that take what the host has of something: { packages: [...] } + magpkg.host.sshAgent
  host:: import 'magpkg/host.libsonnet',
}
