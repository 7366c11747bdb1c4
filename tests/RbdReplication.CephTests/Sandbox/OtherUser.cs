using System.Diagnostics;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>Runs the executable as a user that owns nothing and has no capability, as the container does. Needs root.</summary>
public static class OtherUser
{
    public const string Id = "10001";

    // Where the tests are built may be closed to other users.
    private static readonly Lazy<string> Program = new(CopyProgram);

    public static Process Start(IEnumerable<string> arguments, string user = Id, string? groups = null) => StartWith([], arguments, user, groups);

    /// <param name="wrapper">A program and its arguments that starts what follows it.</param>
    /// <param name="arguments">Arguments of the executable.</param>
    /// <param name="user">User and group.</param>
    /// <param name="groups">Supplementary groups.</param>
    public static Process StartWith(IEnumerable<string> wrapper, IEnumerable<string> arguments, string user = Id, string? groups = null)
    {
        string[] line =
        [
            .. wrapper, "setpriv", "--reuid", user, "--regid", user, .. groups is null ? (string[])["--clear-groups"] : ["--groups", groups],
            "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", Program.Value, .. arguments,
        ];
        var info = new ProcessStartInfo(line[0], line[1..]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        return Process.Start(info)!;
    }

    private static string CopyProgram()
    {
        var source = Path.GetDirectoryName(ServerProcess.Binary)!;
        var folder = Directory.CreateTempSubdirectory("program-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        foreach (var file in Directory.EnumerateFiles(source).Where(file => !file.EndsWith(".pdb", StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        foreach (var file in Directory.EnumerateFiles(folder))
            File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        return Path.Combine(folder, Path.GetFileName(ServerProcess.Binary));
    }
}
