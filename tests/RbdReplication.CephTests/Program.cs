using RbdReplication.Ceph;
using Xunit.Runner.InProc.SystemConsole;

return ApartProgram.IsAskedFor(args) ? await ApartProgram.RunAsync() : await ConsoleRunner.Run(args);
