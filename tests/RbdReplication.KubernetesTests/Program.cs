using RbdReplication.Ceph;
using RbdReplication.KubernetesTests.Play;
using Xunit.Runner.InProc.SystemConsole;

if (ApartProgram.IsAskedFor(args))
    return await ApartProgram.RunAsync();
return ControllerProgram.IsAskedFor(args) ? await ControllerProgram.RunAsync(args) : await ConsoleRunner.Run(args);
