using System.CommandLine;
using RbdReplication.DisasterRecovery;

namespace RbdReplication.Csi.Cli;

/// <summary>What the commands of <c>dr</c> have in common: the two sites, the claims, how it is told.</summary>
internal sealed class DrFlags
{
    private readonly Option<string> _kubeconfig = Flags.Text("--kubeconfig", "", "kubeconfig file; that of kubectl by default");
    private readonly Option<string> _context = Flags.Text("--context", "", "Context of the site that this is run for; the current one by default");
    private readonly Option<string> _peerContext = Flags.Text("--peer-context", "", "Context of the other site");
    private readonly Option<string> _namespace = Flags.Text("--namespace", "", "Namespace of the claims; that of the context by default");
    private readonly Option<string> _selector = Flags.Text("--selector", "", "Claims with these labels, app=shop");
    private readonly Option<bool> _dryRun = Flags.Switch("--dry-run", "Print the plan, and change nothing");
    private readonly Option<string> _output = Flags.Choice("--output", "text", "Form of the output", "text", "json");
    private readonly Option<Duration> _timeout = Flags.Duration("--timeout", TimeSpan.FromMinutes(30), "Longest wait of one step");
    private readonly Argument<string[]> _claims = new("claims") { HelpName = "claim", Description = "Names of PersistentVolumeClaims", Arity = ArgumentArity.ZeroOrMore };

    public DrFlags()
    {
        _namespace.Aliases.Add("-n");
        _selector.Aliases.Add("-l");
        _output.Aliases.Add("-o");
    }

    /// <summary>A command for claims at both sites.</summary>
    public Command CreateForBoth(string name, string description, params Option[] more)
    {
        var command = new Command(name, description) { _claims, _kubeconfig, _context, _peerContext, _namespace, _selector, _dryRun, _output, _timeout };
        foreach (var option in more)
            command.Add(option);
        RequirePeer(command);
        RequireClaims(command);
        return command;
    }

    /// <summary>A command that shows claims of both sites; without claims all that are protected.</summary>
    public Command CreateForStatus(string name, string description)
    {
        var command = new Command(name, description) { _claims, _kubeconfig, _context, _peerContext, _namespace, _selector, _output };
        RequirePeer(command);
        RequireOneWay(command);
        return command;
    }

    /// <summary>A command for one site; without claims all of the namespace.</summary>
    public Command CreateForOne(string name, string description, Argument first, bool hasClaims)
    {
        var command = new Command(name, description) { first, _kubeconfig, _context, _output };
        if (hasClaims)
        {
            command.Add(_claims);
            command.Add(_namespace);
            command.Add(_selector);
            RequireOneWay(command);
        }
        else
        {
            command.Add(_dryRun);
            command.Add(_timeout);
        }
        return command;
    }

    /// <summary>A command for some claims of one site; <paramref name="without"/> is the switch with which they are not needed.</summary>
    public Command CreateForSome(string name, string description, Argument first, Option<bool> without, params Option[] more)
    {
        var command = new Command(name, description) { first, _claims, _kubeconfig, _context, _namespace, _selector, _dryRun, _output, _timeout, without };
        foreach (var option in more)
            command.Add(option);
        command.Validators.Add(result =>
        {
            var named = result.GetValue(_claims) is { Length: > 0 } || result.GetValue(_selector) is { Length: > 0 };
            if (named == result.GetValue(without))
                result.AddError(named ? $"{without.Name} needs no claims" : "name the claims, or give their labels (--selector)");
        });
        RequireOneWay(command);
        return command;
    }

    public Site Here(ParseResult parsed) => Site.Connect(Files(parsed), parsed.GetRequiredValue(_context) is { Length: > 0 } context ? context : null);

    public Site There(ParseResult parsed) => Site.Connect(Files(parsed), parsed.GetRequiredValue(_peerContext));

    public Selection Selection(ParseResult parsed, Site here) => new(
        parsed.GetRequiredValue(_namespace) is { Length: > 0 } given ? given : here.DefaultNamespace ?? "default",
        parsed.GetValue(_claims) ?? [], parsed.GetRequiredValue(_selector) is { Length: > 0 } selector ? selector : null);

    public bool IsDryRun(ParseResult parsed) => parsed.GetValue(_dryRun);

    public bool IsJson(ParseResult parsed) => parsed.GetRequiredValue(_output) == "json";

    public TimeSpan Patience(ParseResult parsed) => parsed.GetRequiredValue(_timeout);

    /// <summary>Runs a command over both sites.</summary>
    public void Act(Command command, Func<ParseResult, Procedures, CancellationToken, Task> run) => command.SetAction((parsed, cancellationToken) => DrOutput.TellAsync(command.Name, IsJson(parsed), async timeline =>
    {
        using var here = Here(parsed);
        using var there = There(parsed);
        await run(parsed, new Procedures(here, there, Selection(parsed, here), timeline, IsDryRun(parsed), Patience(parsed)), cancellationToken);
    }, cancellationToken));

    private void RequirePeer(Command command) => command.Validators.Add(result =>
    {
        if (result.GetValue(_peerContext) is not { Length: > 0 } peer)
            result.AddError("--peer-context is missing: the context of the other site");
        else if (peer == result.GetValue(_context))
            result.AddError("--context and --peer-context are the same");
    });

    private void RequireClaims(Command command)
    {
        command.Validators.Add(result =>
        {
            if (result.GetValue(_claims) is not { Length: > 0 } && result.GetValue(_selector) is not { Length: > 0 })
                result.AddError("name the claims, or give their labels (--selector)");
        });
        RequireOneWay(command);
    }

    private void RequireOneWay(Command command) => command.Validators.Add(result =>
    {
        if (result.GetValue(_claims) is { Length: > 0 } && result.GetValue(_selector) is { Length: > 0 })
            result.AddError("names of claims and --selector exclude each other");
    });

    /// <summary>The kubeconfig files, as kubectl finds them.</summary>
    public string[] Files(ParseResult parsed) =>
        parsed.GetRequiredValue(_kubeconfig) is { Length: > 0 } file ? [file]
        : Environment.GetEnvironmentVariable("KUBECONFIG")?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } files ? files
        : [Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config")];
}
