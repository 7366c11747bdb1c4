using System.Globalization;
using System.Net.Sockets;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Tests.Hostile;

public sealed class SocketGroupTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("group-").FullName;

    private string SocketPath => Path.Combine(_folder, "csi-addons.sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<string> GroupOfAsync(string path) => (await ProcessOutput.OfAsync("stat", "-c", "%g %a", path)).Trim();

    private string[] Arguments(string group) =>
        ["serve", "--csi-addons-endpoint", "unix://" + SocketPath, "--http-endpoint", "", "--socket-group", group];

    private static async Task<(int ExitCode, string Error)> EndAsync(System.Diagnostics.Process process)
    {
        using (process)
        {
            var error = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            return (process.ExitCode, await error);
        }
    }

    [Theory]
    [InlineData("daemon")]
    [InlineData("4711")]
    public async Task The_socket_has_the_group_that_was_asked_for_by_name_or_number(string group)
    {
        Assert.True(UnixGroup.TryFind(group, out var found));
        await using var server = await ServerProcess.AttachAsync(ServerProcess.Start(Arguments(group)), SocketPath);
        Assert.Equal($"{found.Id.ToString(CultureInfo.InvariantCulture)} 660", await GroupOfAsync(SocketPath));
    }

    [Fact]
    public async Task A_group_is_found_wherever_the_system_looks_for_groups()
    {
        // A source of groups as LDAP's are: a library that nsswitch.conf names. Its groups have many members.
        await File.WriteAllTextAsync(Path.Combine(_folder, "source.c"), """
            #include <errno.h>
            #include <grp.h>
            #include <nss.h>
            #include <string.h>
            enum nss_status _nss_elsewhere_getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, int *error) {
                static char *nobody[] = {0};
                if (strcmp(name, "from-elsewhere")) return NSS_STATUS_NOTFOUND;
                if (size < 100000) { *error = ERANGE; return NSS_STATUS_TRYAGAIN; }
                entry->gr_name = strcpy(buffer, name);
                entry->gr_passwd = "";
                entry->gr_gid = 4712;
                entry->gr_mem = nobody;
                return NSS_STATUS_SUCCESS;
            }
            """);
        await ProcessOutput.OfAsync("gcc", "-shared", "-fPIC", "-o", Path.Combine(_folder, "libnss_elsewhere.so.2"), Path.Combine(_folder, "source.c"));
        var names = Path.Combine(_folder, "nsswitch.conf");
        await File.WriteAllTextAsync(names, "group: files elsewhere\n");
        var info = new System.Diagnostics.ProcessStartInfo(
            "unshare",
            [
                "--mount", "--propagation", "private", "sh", "-ec", "mount --bind \"$0\" /etc/nsswitch.conf; exec \"$@\"", names,
                ServerProcess.Binary, .. Arguments("from-elsewhere"),
            ])
        { RedirectStandardError = true, RedirectStandardOutput = true };
        info.Environment["LD_LIBRARY_PATH"] = _folder;
        await using var server = await ServerProcess.AttachAsync(System.Diagnostics.Process.Start(info)!, SocketPath);
        Assert.Equal("4712 660", await GroupOfAsync(SocketPath));
    }

    [Fact]
    public async Task The_group_may_come_from_the_environment()
    {
        var environment = new Dictionary<string, string>
        {
            ["RBD_REPLICATION_SOCKET_GROUP"] = "4711",
            ["RBD_REPLICATION_CSI_ADDONS_ENDPOINT"] = "unix://" + SocketPath,
            ["RBD_REPLICATION_HTTP_ENDPOINT"] = "",
        };
        await using var server = await ServerProcess.AttachAsync(ServerProcess.Start(["serve"], environment), SocketPath);
        Assert.Equal("4711 660", await GroupOfAsync(SocketPath));
    }

    [Theory]
    [InlineData("no-such-group")]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("4294967295")]
    [InlineData("99999999999")]
    [InlineData("daemon:")]
    public async Task A_group_that_does_not_exist_is_a_wrong_option(string group)
    {
        var (exitCode, error) = await EndAsync(ServerProcess.Start(Arguments(group)));
        Assert.Equal((2, 1), (exitCode, error.Count(character => character == '\n')));
        Assert.Contains($"--socket-group is \"{group}\", and must be the name of a group", error, StringComparison.Ordinal);
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_group_that_the_process_is_no_member_of_is_refused_and_no_socket_is_left_behind()
    {
        await ProcessOutput.OfAsync("chmod", "0777", _folder);
        var (exitCode, error) = await EndAsync(OtherUser.Start(Arguments("4711")));
        Assert.Equal((2, 1), (exitCode, error.Count(character => character == '\n')));
        Assert.Contains("cannot be given the group 4711", error, StringComparison.Ordinal);
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_user_other_than_root_can_give_a_supplementary_group_and_who_is_not_in_it_cannot_connect()
    {
        await ProcessOutput.OfAsync("chmod", "0755", _folder);
        await ProcessOutput.OfAsync("chown", OtherUser.Id, _folder);
        await using var server = await ServerProcess.AttachAsync(OtherUser.Start(Arguments("4711"), groups: "4711"), SocketPath);
        Assert.Equal("4711 660", await GroupOfAsync(SocketPath));
        var stranger = await EndAsync(OtherUser.Start(["call", "Probe", "--csi-addons-endpoint", "unix://" + SocketPath], user: "10002"));
        Assert.NotEqual(0, stranger.ExitCode);
        var member = await EndAsync(OtherUser.Start(["call", "Probe", "--csi-addons-endpoint", "unix://" + SocketPath], user: "10002", groups: "4711"));
        Assert.True(member.ExitCode == 0, member.Error);
    }

    [Fact]
    public void Nobody_can_connect_before_the_mode_is_set()
    {
        var endPoint = new UnixDomainSocketEndPoint(SocketPath);
        using var socket = UnixSocket.Bind(endPoint, group: null);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, File.GetUnixFileMode(SocketPath));
        using var early = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => early.Connect(endPoint)).SocketErrorCode);
    }
}
