using Spectre.Console;

namespace RbdReplication.Csi.Cli;

/// <summary>Where the tables of the commands go.</summary>
internal static class Terminal
{
    // Nothing is cut or wrapped where the reader is a program: one line for each row.
    private const int WidthOfFiles = 4096;

    /// <summary>Standard output.</summary>
    public static IAnsiConsole Output() => On(Console.Out, Console.IsOutputRedirected);

    /// <summary>Standard error.</summary>
    public static IAnsiConsole Error() => On(Console.Error, Console.IsErrorRedirected);

    private static IAnsiConsole On(TextWriter writer, bool isFile)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (isFile)
            console.Profile.Width = WidthOfFiles;
        return console;
    }
}
